package sal

import (
	"fmt"

	"github.com/conftool/confctl/pkg/store"
)

// checkShape returns an error if a text exceeds the limits of a record. It does
// not check that the text is valid JSON.
func checkShape(text []byte) error {
	if len(text) > store.MaxBytes {
		return fmt.Errorf("%d bytes are more than the %d that a record may have", len(text), store.MaxBytes)
	}
	const list = 3 // depth of the lists of a record's parts
	depth, elements, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth <= list:
			elements++
		}
		switch {
		case depth > maxDepth:
			return fmt.Errorf("lists and maps are nested more than %d levels deep", maxDepth)
		case elements > maxElements:
			return fmt.Errorf("it has more than %d objects, findings and other parts", maxElements)
		}
	}
	return nil
}
