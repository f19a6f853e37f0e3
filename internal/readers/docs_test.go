package readers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/readers"
)

// The declarations in the documentation are valid.
func TestDocumentedReaders(t *testing.T) {
	text, err := os.ReadFile("../../docs/readers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "### Rendered files")
	_, example, _ := strings.Cut(section, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	file := filepath.Join(t.TempDir(), "readers.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(example, "discovery:", "steered:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	all, problems := readers.Load(newSite(t).schema, file)
	for _, p := range problems {
		t.Error(p.Err)
	}
	if !found || len(all) != 3 {
		t.Errorf("%d readers", len(all))
	}
}
