package etcdv2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/store"
)

// shapeError reports JSON that is no tree of keys.
type shapeError struct{ msg string }

func (e *shapeError) Error() string { return e.msg }

func shapef(format string, args ...any) error { return &shapeError{fmt.Sprintf(format, args...)} }

// singleError reports a key where a directory is expected.
type singleError struct{}

func (e *singleError) Error() string { return "a key, not a directory" }

// errTooLong reports a reply beyond its bound.
var errTooLong = errors.New("too long")

// counted reads so many bytes at most, and knows how many it has read.
type counted struct {
	from io.Reader
	left int64
	read int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLong
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.read += int64(n)
	return n, err
}

// decode reads the reply to a recursive get of a directory. Its errors are a
// *shapeError, a *singleError, those of encoding/json and of the reader; one
// that ends early gives io.ErrUnexpectedEOF.
func decode(r io.Reader, prefix string) ([]store.Entry, error) {
	d := &decoder{json: json.NewDecoder(r), below: strings.TrimSuffix(prefix, "/") + "/"}
	d.json.UseNumber()
	err := d.reply()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, err
		}
		return nil, shapef("there is more after the tree of keys")
	}
	slices.SortFunc(d.entries, func(a, b store.Entry) int { return strings.Compare(a.Key, b.Key) })
	for i := range d.entries[min(1, len(d.entries)):] {
		if d.entries[i].Key == d.entries[i+1].Key {
			return nil, shapef("key %s is there twice", excerpt(d.entries[i].Key))
		}
	}
	return d.entries, nil
}

// decoder reads a reply as it comes in.
type decoder struct {
	json    *json.Decoder
	below   string // what all keys begin with
	entries []store.Entry
}

// reply reads {"action": "get", "node": {...}}.
func (d *decoder) reply() error {
	found := false
	err := d.object("the reply", func(name string) error {
		if name != "node" || found {
			return d.skip()
		}
		found = true
		return d.node(0)
	})
	if err == nil && !found {
		return shapef("the reply has no node")
	}
	return err
}

// node is a directory, or a key with its value.
type node struct {
	store.Entry
	dir, hasValue, hasNodes bool
}

// node reads {"key": "/a", "dir": true, "nodes": [...]} or {"key": "/a/b",
// "value": "...", "modifiedIndex": 1, "createdIndex": 1}.
func (d *decoder) node(depth int) error {
	if depth > maxDepth {
		return shapef("directories are nested more than %d deep", maxDepth)
	}
	var n node
	if err := d.object("a node", func(name string) error { return d.member(&n, name, depth) }); err != nil {
		return err
	}
	switch {
	case n.dir && n.hasValue:
		return shapef("directory %s has a value", excerpt(n.Key))
	case n.dir:
		return nil
	case n.hasNodes:
		return shapef("key %s has keys below it", excerpt(n.Key))
	case !n.hasValue:
		return shapef("key %s has no value", excerpt(n.Key))
	case depth == 0:
		return &singleError{}
	case !strings.HasPrefix(n.Key, d.below):
		return shapef("key %s is not below %s", excerpt(n.Key), d.below)
	}
	d.entries = append(d.entries, n.Entry)
	return nil
}

// member reads one member of a node.
func (d *decoder) member(n *node, name string, depth int) (err error) {
	switch name {
	case "key":
		n.Key, err = token[string](d, name)
	case "value":
		var text string
		text, err = token[string](d, name)
		n.Value, n.hasValue = []byte(text), true
	case "dir":
		n.dir, err = token[bool](d, name)
	case "createdIndex":
		n.Created, err = d.index(name)
	case "modifiedIndex":
		n.Modified, err = d.index(name)
	case "nodes":
		n.hasNodes = true
		err = d.nodes(depth)
	default: // ttl and expiration
		err = d.skip()
	}
	return err
}

func (d *decoder) nodes(depth int) error {
	if err := d.open('[', "nodes"); err != nil {
		return err
	}
	for d.json.More() {
		if err := d.node(depth + 1); err != nil {
			return err
		}
	}
	_, err := d.json.Token()
	return err
}

// object reads an object, with what reads the value of each member.
func (d *decoder) object(what string, member func(name string) error) error {
	if err := d.open('{', what); err != nil {
		return err
	}
	for d.json.More() {
		name, err := token[string](d, what)
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.json.Token()
	return err
}

func (d *decoder) open(delim json.Delim, what string) error {
	got, err := token[json.Delim](d, what)
	if err == nil && got != delim {
		return shapef("%s begins with %s", what, got)
	}
	return err
}

func (d *decoder) skip() error {
	var ignored json.RawMessage
	return d.json.Decode(&ignored)
}

func (d *decoder) index(what string) (store.Revision, error) {
	number, err := token[json.Number](d, what)
	if err != nil {
		return 0, err
	}
	index, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || index < 0 {
		return 0, shapef("%s is %s", what, excerpt(number.String()))
	}
	return store.Revision(index), nil
}

// token reads a token that has to be of a type.
func token[T any](d *decoder, what string) (T, error) {
	var want T
	t, err := d.json.Token()
	if err != nil {
		return want, err
	}
	got, ok := t.(T)
	if !ok {
		return want, shapef("%s is %s", what, excerpt(fmt.Sprint(t)))
	}
	return got, nil
}
