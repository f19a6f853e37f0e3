package value

import "hash/maphash"

// repeatsKey reports whether any map in text, which is in the contract's form,
// has the same key more than once.
func repeatsKey(text string) bool {
	var buffer [16]string
	keys := buffer[:0] // the keys read so far of the maps that enclose i, outermost map first
	var maps []int     // for each of these maps, the index of its first key in keys
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

// hasRepeat reports whether keys contains a key more than once.
func hasRepeat(keys []string) bool {
	const maxPairwise = 8 // so few keys are compared pairwise, without a hash table
	if len(keys) > maxPairwise {
		for i, first := range firstIndexes(keys) {
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

// firstIndexes returns, for each key, the index of the first equal key. It uses a
// hash table of its own, which takes less memory than a map, since a value may
// have a hundred thousand keys.
func firstIndexes(keys []string) []int {
	size := 4
	for size < 2*len(keys) {
		size *= 2
	}
	table := make([]int32, size) // indexes plus 1; 0 is an empty slot
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

// withoutRepeats returns the value of text, which is in the contract's form. If a
// map repeats a key, the result has the key once, at its first position, with its
// last value. It reads the text once; MaxDepth bounds how often it copies a byte.
func withoutRepeats(text string) Value {
	p := pruner{text: text, out: make([]byte, 0, len(text))}
	p.value()
	return Value{string(p.out)}
}

// pruner copies a JSON text without the repeated keys of its maps.
type pruner struct {
	text   string // the text that is not read yet
	out    []byte
	kept   []byte   // a buffer for the fields of one map
	keys   []string // the keys read so far of the enclosing maps, outermost map first
	values []span   // the position in out of each key's value
}

type span struct{ begin, end int }

func (p *pruner) copy(n int) {
	p.out = append(p.out, p.text[:n]...)
	p.text = p.text[n:]
}

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

// fields copies the fields of a map, each key once.
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

// keepLast replaces the fields of a map, which begin at begin in out: each key
// once, at its first position, with its last value.
func (p *pruner) keepLast(begin int, keys []string, values []span) {
	first := firstIndexes(keys)
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
