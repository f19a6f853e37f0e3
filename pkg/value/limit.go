package value

import "fmt"

// The limits of a value, which Parse holds to. A value within them is read in
// time proportional to its size, and an object as large as that fits into one
// transaction of a store together with its journal record.
const (
	MaxBytes = 512 << 10 // of its text, as it is read and in the form of the contract
	MaxDepth = 64        // of lists and maps within one another
)

// Check reports why a text is beyond the limits of a value. It does not check
// that the text is JSON.
func Check(text []byte) error { return limits{MaxBytes, MaxDepth}.check(text) }

// ParseAround is Parse for a text that has a value in it, such as a line of a
// file with an object and its name: twice as large, and a few levels deeper.
func ParseAround(text []byte) (Value, error) { return parse(text, limits{2 * MaxBytes, MaxDepth + 8}) }

// limits are those of a text.
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
