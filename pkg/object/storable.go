package object

import (
	"fmt"

	"github.com/conftool/confctl/pkg/value"
)

// maxFields is the maximum number of fields in an object. Decoded fields take
// much more memory than the JSON text they are read from.
const maxFields = 4096

// CheckFields returns an error if an object cannot have n fields.
func CheckFields(n int) error {
	if n > maxFields {
		return fmt.Errorf("%d fields are more than the %d that an object may have", n, maxFields)
	}
	return nil
}

// Storable returns an *InvalidError if an object cannot be stored as the change
// leaves it, because it could not be read again: it is too large, nested too
// deeply, or has too many fields.
func (c Change) Storable() error {
	if c.After == nil {
		return nil
	}
	err := value.Check(c.After.AppendStored(nil))
	if err == nil {
		err = CheckFields(len(c.After.Fields))
	}
	if err != nil {
		return &InvalidError{Object: c.After.String(), Reason: fmt.Sprintf("it cannot be stored: %v", err)}
	}
	return nil
}
