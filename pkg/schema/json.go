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

// checkJSON parses a text, or finds where it stops being JSON.
func checkJSON(file string, text []byte) (any, error) {
	var parsed any
	err := json.Unmarshal(text, &parsed)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return parsed, nil
	}
	return nil, yamldoc.Errorf(position(file, text, int(syntax.Offset)-1), "not valid JSON: %v", syntax)
}

// position is the place of a byte in a file.
func position(file string, text []byte, offset int) yamldoc.Pos {
	before := text[:max(0, min(offset, len(text)))]
	return yamldoc.Pos{
		File:   file,
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: len(before) - bytes.LastIndexByte(before, '\n'),
	}
}

// find returns where in a JSON text the value begins that some steps lead to.
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

// descend goes to a member of the map or list that the decoder has entered.
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

// steps takes a JSON pointer apart, as the library writes it: escaped as a URL
// is, too.
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
