package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// A source provides the objects to import.
type source struct {
	name   string // in the journal
	title  string // in messages
	strict bool   // write nothing if any object is invalid
	// read returns the objects, and an error for each one that is left out.
	read func(context.Context) (dump.Dump, []*yamldoc.Error, error)
}

// refuseFileAndURL returns an error if one of the arguments after --from-v2 is a
// file instead of a type.
func refuseFileAndURL(s *schema.Schema, words []string) error {
	for _, word := range words {
		if _, err := s.Type(word); !errors.As(err, new(*schema.UnknownTypeError)) {
			continue
		}
		_, err := os.Stat(word)
		named := slices.Contains([]string{".yaml", ".yml", ".json", ".jsonl"}, filepath.Ext(word))
		if err == nil || named || word == "-" {
			return &usageError{fmt.Sprintf("FILE or --from-v2, not both: %q is no type", word), "confctl import FILE, or confctl import --from-v2 URL [TYPE...]"}
		}
	}
	return nil
}

// fileSource returns the source that reads a file, or standard input if file is
// "-". Standard input is read once and parsed at each call of read.
func fileSource(std term.Streams, a *app.App, file string, types []*schema.Type) source {
	read := func(context.Context) (dump.Dump, []*yamldoc.Error, error) {
		d, err := dump.Read(file, a.Schema)
		return ofTypes(d, types), nil, err
	}
	if file != "-" {
		return source{name: file, title: file, strict: true, read: read}
	}
	const title = "standard input"
	var text []byte
	var err error
	once := sync.OnceFunc(func() { text, err = yamldoc.ReadAll(std.In) })
	return source{name: file, title: title, strict: true, read: func(context.Context) (dump.Dump, []*yamldoc.Error, error) {
		if once(); err != nil {
			return dump.Dump{}, nil, fmt.Errorf("reading standard input: %w", err)
		}
		d, err := dump.Parse(title, text, a.Schema)
		return ofTypes(d, types), nil, err
	}}
}

// ofTypes returns the dump limited to types and their objects. It modifies the
// slices of d.
func ofTypes(d dump.Dump, types []*schema.Type) dump.Dump {
	other := func(t *schema.Type) bool { return !slices.Contains(types, t) }
	d.Types = slices.DeleteFunc(d.Types, other)
	d.Objects = slices.DeleteFunc(d.Objects, func(i dump.Item) bool { return other(i.Object.Type) })
	return d
}
