package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// TestEditorHeaderIsComments: whatever an object is called, and whatever is stored,
// an editor shows the fields of the object and no others.
func TestEditorHeaderIsComments(t *testing.T) {
	node, err := schema.BuiltIn("pools").Type("node")
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029", "\r\n", "\x1b[2J\u202e"} {
		name := "web1" + end + "weight: 99 # "
		plain := object.New(node, []string{"dc", "web", "http"}, name)
		broken := plain
		broken.Raw, broken.Malformed = []byte("{"+end+"weight: 99 # "), errors.New("bad"+end+"weight: 99 # ")
		for _, o := range []object.Object{plain, broken} {
			b, err := buffer(o)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := yamldoc.Parse("f", b)
			if err != nil {
				t.Fatalf("%v in\n%s", err, b)
			}
			v, err := doc.Value()
			if err != nil || strings.Contains(v.Text(), "99") || !text.IsClean(string(b)) {
				t.Errorf("%q: %s, %v", b, v.Text(), err)
			}
		}
	}
}
