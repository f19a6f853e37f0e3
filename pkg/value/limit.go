package value

import "fmt"

// The limits that Parse enforces on a value. Parse reads a value within them in
// time proportional to its size, and an object of that size fits into one
// transaction of a store together with its journal record.
const (
	MaxBytes = 512 << 10 // bytes of the text, both as given and in the contract's form
	MaxDepth = 64        // levels of nested lists and maps
)

// Check returns an error if text exceeds the limits of a value. It does not
// check that text is JSON.
func Check(text []byte) error { return limits{MaxBytes, MaxDepth}.check(text) }

// ParseAround is like Parse, for a text that contains a value, such as a line of
// a file with an object and its name. It allows twice MaxBytes, and 8 levels more
// than MaxDepth.
func ParseAround(text []byte) (Value, error) { return parse(text, limits{2 * MaxBytes, MaxDepth + 8}) }

// limits are the largest size in bytes, and the deepest nesting, of a text.
type limits struct{ bytes, depth int }

func (l limits) check(text []byte) error {
	if err := l.checkSize(len(text)); err != nil {
		return err
	}
	if len(text) <= l.depth {
		return nil
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLen(text[i:]) - 1
		case '[', '{':
			if depth++; depth > l.depth {
				return fmt.Errorf("lists and maps are nested more than %d levels deep", l.depth)
			}
		case ']', '}':
			depth--
		}
	}
	return nil
}

func (l limits) checkSize(n int) error {
	if n > l.bytes {
		return fmt.Errorf("%d bytes are more than the %d that a value may have", n, l.bytes)
	}
	return nil
}
