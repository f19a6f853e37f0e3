package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/yamldoc"
)

// checkJSON decodes a JSON text. The error is a *yamldoc.Error with the position of
// the first byte that is not JSON.
func checkJSON(file string, text []byte) (any, error) {
	var parsed any
	err := json.Unmarshal(text, &parsed)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return parsed, nil
	}
	return nil, yamldoc.Errorf(position(file, text, int(syntax.Offset)-1), "not valid JSON: %v", syntax)
}

// position returns the position in a file of the byte at an offset of its text.
func position(file string, text []byte, offset int) yamldoc.Pos {
	before := text[:max(0, min(offset, len(text)))]
	return yamldoc.Pos{
		File:   file,
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: len(before) - bytes.LastIndexByte(before, '\n'),
	}
}

// find returns the offset in a JSON text of the value at a path, and whether there is
// such a value.
func find(text []byte, steps []string) (offset int, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		offset = int(d.InputOffset())
		offset += len(text[offset:]) - len(bytes.TrimLeft(text[offset:], " \t\r\n:,"))
		if len(steps) == 0 {
			return offset, true
		}
		open, err := d.Token()
		if err != nil || !descend(d, open, steps[0]) {
			return 0, false
		}
		steps = steps[1:]
	}
}

// descend moves the decoder to the value of a key or an index in the map or list that
// it has entered with open. It reports whether there is such a value.
func descend(d *json.Decoder, open json.Token, step string) bool {
	for i := 0; d.More(); i++ {
		name := any(strconv.Itoa(i))
		if open == json.Delim('{') {
			var err error
			if name, err = d.Token(); err != nil {
				return false
			}
		}
		if name == step {
			return true
		}
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}

// steps splits a JSON pointer into its keys and indexes. The library escapes pointers
// as in a URL, too.
func steps(ptr string) []string {
	if ptr == "" {
		return nil
	}
	all := strings.Split(strings.TrimPrefix(ptr, "/"), "/")
	for i, s := range all {
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
		all[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(s)
	}
	return all
}
