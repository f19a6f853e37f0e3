package cli

import (
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// tookOver returns the warning about values that an import keeps although they do
// not fit the schema.
func tookOver(taken []*yamldoc.Error) string {
	return "taken over as they are, though they do not fit the schema: " + text.Count(len(taken), "value") + "; --skip-invalid leaves their objects out"
}

// sayTaken prints a line for every value that was imported although it does not
// fit the schema or, if done is false, would be. It prints each line once per
// import.
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
