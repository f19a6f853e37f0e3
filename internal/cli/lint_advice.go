package cli

import (
	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// withOptions appends to the advice of findings the command-line options that
// follow it.
func withOptions(findings []lint.Finding) {
	const name = ": --schema FILE, --directory DIR, --json-schema-dir DIR"
	options := map[string]string{
		yamldoc.RuleEscapes:    name,
		lint.RuleOutside:       name,
		lint.RuleConfig:        "; --config FILE names another",
		lint.RuleMapped:        ": --json-schema-dir DIR",
		schema.RuleJSONMissing: "; --json-schema-dir DIR says where the files of this tree are",
	}
	for i, f := range findings {
		findings[i].Advice += options[f.Rule]
	}
}
