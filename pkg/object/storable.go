package object

import (
	"fmt"

	"github.com/conftool/confctl/pkg/value"
)

// maxFields is how many fields an object may have. They are kept one by one, and
// take much more memory than the text they are read from.
const maxFields = 4096

// CheckFields reports why an object cannot have so many fields.
func CheckFields(n int) error {
	if n > maxFields {
		return fmt.Errorf("%d fields are more than the %d that an object may have", n, maxFields)
	}
	return nil
}

// Storable reports why an object cannot be stored as a change leaves it: it would
// be too large, nested too deep or have too many fields to be read again. The error is an
// *InvalidError.
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
