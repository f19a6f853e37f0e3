package safety

import (
	"strconv"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// The fields that say what an object gives.
const (
	pooledField = "pooled"
	weightField = "weight"
)

// Serves reports whether an object gives capacity: its type has a field
// pooled, which is yes or true, and its weight, if the type has that field, is a
// number above 0. An object that cannot be read does not serve.
func Serves(o object.Object) bool { return meaningOf(o.Type).serves(&o) }

// HasCapacity reports whether objects of a type can serve: it has a field
// pooled.
func HasCapacity(t *schema.Type) bool { return meaningOf(t).pooled }

// meaning is which of the fields that give capacity a type has. A field that an
// object has and its type does not declare means nothing.
type meaning struct{ pooled, weight bool }

func meaningOf(t *schema.Type) meaning {
	_, pooled := t.Field(pooledField)
	_, weight := t.Field(weightField)
	return meaning{pooled, weight}
}

func (m meaning) serves(o *object.Object) bool {
	return m.isPooled(o) && m.weighs(o)
}

// isPooled reports whether an object is to serve.
func (m meaning) isPooled(o *object.Object) bool {
	if o == nil || o.Malformed != nil || !m.pooled {
		return false
	}
	return object.IsPooled(o.Fields)
}

// weighs reports whether an object's weight lets it serve.
func (m meaning) weighs(o *object.Object) bool {
	return !m.weight || sign(value.Get(o.Fields, weightField)) > 0
}

// isMember reports whether an object, which serves or not, counts for the floor
// of its group.
func (m meaning) isMember(o *object.Object, serves bool) bool { return serves || !m.isSeeded(o) }

// isSeeded reports whether an object is still as sync created it: nobody has
// taken it into service yet. What was in service and is out for good counts
// until it is deleted: else the floor of a pool would sink with every host that
// is taken out of it, and each step to the last one look safe. What has no
// weight counts from the start.
func (m meaning) isSeeded(o *object.Object) bool {
	if o.Malformed != nil || !m.pooled || !m.weight || o.Created != o.Revision {
		return false
	}
	weight, pooled := value.Get(o.Fields, weightField), value.Get(o.Fields, pooledField).Text()
	return weight.Kind() == value.Number && sign(weight) == 0 && (pooled == `"inactive"` || pooled == "false")
}

// sign returns that of a number, which may be no integer and may be written as
// text: -1, 0 or 1. It is 0 for what is no number.
func sign(v value.Value) int {
	text := v.Text()
	if v.Kind() != value.Number {
		text, _ = v.Str()
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return 0
		}
	}
	if !hasDigit(text) {
		return 0
	}
	if text[0] == '-' {
		return -1
	}
	return 1
}

// hasDigit reports whether there is a digit but 0 before the exponent.
func hasDigit(number string) bool {
	for i := range len(number) {
		switch c := number[i]; {
		case '1' <= c && c <= '9':
			return true
		case c == 'e' || c == 'E':
			return false
		}
	}
	return false
}
