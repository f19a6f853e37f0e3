package safety

import (
	"strconv"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// The fields that determine whether an object serves.
const (
	pooledField = "pooled"
	weightField = "weight"
)

// Serves reports whether an object serves: its type has a field pooled, whose
// value is yes or true, and its weight, if the type has that field, is a number
// above 0. A malformed object does not serve.
func Serves(o object.Object) bool { return capacityFieldsOf(o.Type).serves(&o) }

// HasCapacity reports whether objects of a type can serve: the type has a field
// pooled.
func HasCapacity(t *schema.Type) bool { return capacityFieldsOf(t).pooled }

// capacityFields tells which of the fields that determine capacity a type
// declares. A field that an object has and its type does not declare has no
// effect.
type capacityFields struct{ pooled, weight bool }

func capacityFieldsOf(t *schema.Type) capacityFields {
	_, pooled := t.Field(pooledField)
	_, weight := t.Field(weightField)
	return capacityFields{pooled, weight}
}

func (m capacityFields) serves(o *object.Object) bool {
	return m.isPooled(o) && m.weighs(o)
}

// isPooled reports whether an object is pooled. It is false for a nil or
// malformed object.
func (m capacityFields) isPooled(o *object.Object) bool {
	if o == nil || o.Malformed != nil || !m.pooled {
		return false
	}
	return object.IsPooled(o.Fields)
}

// weighs reports whether an object's weight lets it serve.
func (m capacityFields) weighs(o *object.Object) bool {
	return !m.weight || sign(value.Get(o.Fields, weightField)) > 0
}

// isMember reports whether an object is a member of its group, and so counts
// for the floor.
func (m capacityFields) isMember(o *object.Object, serves bool) bool { return serves || !m.isSeeded(o) }

// isSeeded reports whether an object is unchanged since sync created it, that
// is, nobody has put it into service. An object that was in service and is now
// depooled remains a member until it is deleted: otherwise each depooled host
// would lower the floor of its pool, and depooling all of them one by one would
// be allowed. An object of a type without weight is a member from the start.
func (m capacityFields) isSeeded(o *object.Object) bool {
	if o.Malformed != nil || !m.pooled || !m.weight || o.Created != o.Revision {
		return false
	}
	weight, pooled := value.Get(o.Fields, weightField), value.Get(o.Fields, pooledField).Text()
	return weight.Kind() == value.Number && sign(weight) == 0 && (pooled == `"inactive"` || pooled == "false")
}

// sign returns the sign of a number, -1, 0 or 1. The number may have a fraction
// or an exponent, and may be in a string. It returns 0 if the value is not a
// number.
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

// hasDigit reports whether a number has a digit other than 0 before its
// exponent.
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
