package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
)

// rest returns the words of a command line without the first done actions and
// their names.
func rest(words []string, done int) []string {
	const before = 3 // of the words that are no options, the first name: after the verb and the tags
	var left []string
	scan, actions, names, bare, drop := newScanner(), 0, 0, 0, false
	for i, word := range words {
		if i == 0 {
			left = append(left, word)
			continue
		}
		switch kind := scan.next(word); kind {
		case optionWord:
			if drop = scan.has("action") && actions < done; scan.has("action") {
				actions++
			}
		case bareWord, literalWord:
			if bare++; bare >= before {
				names++
			}
			drop = bare >= before && names <= done
		case endOfOptions:
			drop = false
		case valueWord: // goes or stays with its option
		}
		if !drop {
			left = append(left, word)
		}
	}
	return left
}

// exactTags parses TAG=VALUE,... which must have all tags of the type, each once.
// Values are literal.
func exactTags(t *schema.Type, list string) (map[string]string, error) {
	all := "all tags are needed, by their exact values: " + strings.Join(t.Tags, "=...,") + "=..."
	tags := map[string]string{}
	for _, pair := range strings.Split(list, ",") {
		tag, val, found := strings.Cut(pair, "=")
		tag, val = strings.TrimSpace(tag), strings.TrimSpace(val)
		switch {
		case tag == "" && !found && len(t.Tags) == 0:
			continue // the empty list of a type without tags
		case tag == selector.Name && found:
			return nil, &usageError{"the name is no tag", "it stands after the action: " + commandLine(append([]string{"confctl", "tags", "TAGS", "--action", "ACTION"}, operands(val)...))}
		case !found:
			return nil, &usageError{fmt.Sprintf("no = in %q of the tags %q", pair, list), all}
		case !slices.Contains(t.Tags, tag):
			return nil, &usageError{fmt.Sprintf("type %s has no tag %q%s", t.Name, tag, nearest.Suggest(tag, t.Tags)), all}
		case tags[tag] != "":
			return nil, &usageError{fmt.Sprintf("tag %s is there twice", tag), "for several values: confctl select"}
		}
		if err := object.CheckName(tag, val); err != nil {
			return nil, &usageError{err.Error(), all}
		}
		tags[tag] = val
	}
	for _, tag := range t.Tags {
		if tags[tag] == "" {
			return nil, &usageError{fmt.Sprintf("tag %s of type %s is missing in %q", tag, t.Name, list), all + "; with some of them: confctl select"}
		}
	}
	return tags, nil
}

// pythonList returns the words of a list as Python prints them.
func pythonList(list string) string {
	var words []value.Value
	for _, w := range strings.Split(list, ",") {
		words = append(words, value.OfString(w))
	}
	return value.OfList(words...).Python()
}
