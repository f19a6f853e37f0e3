package cli

import (
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// tookOver is the warning about what an import takes over though it does not fit
// the schema.
func tookOver(taken []*yamldoc.Error) string {
	return "taken over as they are, though they do not fit the schema: " + text.Count(len(taken), "value") + "; --skip-invalid leaves their objects out"
}

// sayTaken says what does not fit the schema and was taken over, or would be, all
// of it. Each is said once.
func (i *importer) sayTaken(taken []*yamldoc.Error, done bool) {
	word := "would be taken over"
	if done {
		word = "taken over"
	}
	for _, f := range taken {
		if line := f.Error(); !i.told[line] {
			i.told[line] = true
			i.Say("%s: %s", word, line)
		}
	}
}
