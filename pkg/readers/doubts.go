package readers

import (
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Doubts returns what in the reader's regular expressions Python reads
// differently, each as a complaint about the declaration.
func (r Reader) Doubts() []*yamldoc.Error {
	var found []*yamldoc.Error
	for _, doubt := range r.Only.Doubts() {
		found = append(found, yamldoc.Errorf(r.Pos, "only: %s", doubt).Of(schema.RuleRegex))
	}
	if r.pattern == nil {
		return found
	}
	for _, d := range selector.Differences(r.pattern.String()) {
		if !d.Beyond {
			found = append(found, yamldoc.Errorf(r.Pos, "pattern: %s", d).Of(schema.RuleRegex))
		}
	}
	return found
}
