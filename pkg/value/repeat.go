package value

import "hash/maphash"

// repeatsKey reports whether a map in text, in the contract's form, has a key
// twice.
func repeatsKey(text string) bool {
	var room [16]string
	keys := room[:0] // of the maps around i, the outermost first
	var maps []int   // where the keys of each begin
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			maps = append(maps, len(keys))
		case '}':
			begin := maps[len(maps)-1]
			if hasRepeat(keys[begin:]) {
				return true
			}
			keys, maps = keys[:begin], maps[:len(maps)-1]
		case '"':
			end := i + stringLen(text[i:])
			if end < len(text) && text[end] == ':' {
				keys = append(keys, text[i:end])
			}
			i = end - 1
		}
	}
	return false
}

// hasRepeat reports whether a key is among some twice.
func hasRepeat(keys []string) bool {
	const few = 8 // that are compared with each other
	if len(keys) > few {
		for i, first := range firsts(keys) {
			if first != i {
				return true
			}
		}
		return false
	}
	for i, key := range keys {
		for _, other := range keys[:i] {
			if key == other {
				return true
			}
		}
	}
	return false
}

// firsts returns for each key the place of the first one that is the same. It is
// a hash table without what a map takes for it, since a value may have a hundred
// thousand keys.
func firsts(keys []string) []int {
	size := 4
	for size < 2*len(keys) {
		size *= 2
	}
	table := make([]int32, size) // places, counted from 1
	seed := maphash.MakeSeed()
	all := make([]int, len(keys))
	for i, key := range keys {
		slot := int(maphash.String(seed, key)) & (size - 1)
		for table[slot] != 0 && keys[table[slot]-1] != key {
			slot = (slot + 1) & (size - 1)
		}
		if table[slot] == 0 {
			table[slot] = int32(i + 1)
		}
		all[i] = int(table[slot] - 1)
	}
	return all
}

// withoutRepeats returns the value of a text in the contract's form, in which of
// a key that a map has twice only the last value is left, at the place of the
// first. It reads the text once; what it writes again is bounded by MaxDepth.
func withoutRepeats(text string) Value {
	p := pruner{text: text, out: make([]byte, 0, len(text))}
	p.value()
	return Value{string(p.out)}
}

// pruner copies a text and leaves out what repeats.
type pruner struct {
	text   string // what is still to be read
	out    []byte
	kept   []byte   // room for the fields of one map
	keys   []string // of the maps that are being read, the outermost first
	values []span   // and where in out the value of each is
}

type span struct{ begin, end int }

func (p *pruner) copy(n int) {
	p.out = append(p.out, p.text[:n]...)
	p.text = p.text[n:]
}

// value copies a value.
func (p *pruner) value() {
	switch p.text[0] {
	case '"':
		p.copy(stringLen(p.text))
	case '[':
		p.copy(1)
		for p.text[0] != ']' {
			p.value()
			p.separator()
		}
		p.copy(1)
	case '{':
		p.copy(1)
		p.fields()
		p.copy(1)
	default:
		p.copy(skipValue(p.text))
	}
}

func (p *pruner) separator() {
	if p.text[0] == ',' {
		p.copy(len(", "))
	}
}

// fields copies the fields of a map.
func (p *pruner) fields() {
	first, begin := len(p.keys), len(p.out)
	for p.text[0] != '}' {
		n := stringLen(p.text) + len(": ")
		key := p.text[:n]
		p.copy(n)
		at := len(p.out)
		p.value()
		p.keys, p.values = append(p.keys, key), append(p.values, span{at, len(p.out)})
		p.separator()
	}
	if keys := p.keys[first:]; hasRepeat(keys) {
		p.keepLast(begin, keys, p.values[first:])
	}
	p.keys, p.values = p.keys[:first], p.values[:first]
}

// keepLast writes the fields of a map again, each key once.
func (p *pruner) keepLast(begin int, keys []string, values []span) {
	first := firsts(keys)
	for i, at := range first {
		values[at] = values[i]
	}
	p.kept = p.kept[:0]
	for i, at := range first {
		if at != i {
			continue
		}
		if i > 0 {
			p.kept = append(p.kept, ", "...)
		}
		p.kept = append(append(p.kept, keys[i]...), p.out[values[i].begin:values[i].end]...)
	}
	p.out = append(p.out[:begin], p.kept...)
}
