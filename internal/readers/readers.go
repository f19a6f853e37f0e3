// Package readers asks the programs that read the store for their state, and reports
// which of them are late.
//
// A reader shows either an index, or its state of the objects: which hosts are
// enabled, which place a name server answers with. Objects are compared with the
// store one by one. The lateness of a reader is the age of the oldest change that it
// has not seen, according to the journal. If no record gives the age of a
// difference, the reader is at Warning.
//
// # Readers that report an index
//
// A reader that reports revision R has seen every change up to R. It has not seen a
// change after R of an object that exists, because it would report the revision of
// that change. So its lateness is the age of the oldest change after R of an object
// that has existed ever since.
//
// If every object that exists was last changed before R, the reader still has an
// object that was written at R and has been deleted, and its lateness is the age of
// the deletion of the last of those. If the journal has no such object, R cannot be
// explained, and the reader is Unknown.
//
// An index does not show any other deletion. A reader that reports how far it has
// read the store (reports: store) has seen the changes up to R and no others.
package readers

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Kind is a kind of program that reads the store. It decides how the program is
// asked.
type Kind string

// The kinds of readers.
const (
	// MediaWiki reports the index of its configuration in its siteinfo.
	MediaWiki Kind = "mediawiki"
	// PyBal reports the enabled hosts of a pool on its instrumentation port.
	PyBal Kind = "pybal"
	// DNS is a name server that answers with an address of a pooled place.
	DNS Kind = "dns"
	// File is a local file that was rendered from objects and contains their index.
	File Kind = "file"
	// Index is any program that reports an index over HTTP.
	Index Kind = "index"
	// Rendered is a file that was rendered from objects, local or over HTTP, and
	// contains their names and fields.
	Rendered Kind = "rendered"
)

// Kinds returns the names of all kinds.
func Kinds() []string {
	return []string{string(MediaWiki), string(PyBal), string(DNS), string(File), string(Index), string(Rendered)}
}

// DefaultWithin is how late a reader that declares no limit may be. MediaWiki caches
// its configuration for 10 seconds.
const DefaultWithin = 30 * time.Second

// Reader is one program that reads objects. A Reader with {tag} in its target stands
// for one reader for each value of the tag, and one with hosts for one for each
// host. Load and Parse return Readers.
type Reader struct {
	Kind   Kind
	Label  string // its name in the report; empty: its target
	Target string // the URL, the DNS name or the path of the file
	Type   *schema.Type
	Only   selector.Selector // the objects it reads
	Within time.Duration     // how late it may be
	Pos    yamldoc.Pos       // the position of the declaration; zero if given on the command line

	local    bool              // the target is a local file
	server   string            // for DNS, with or without a port
	hosts    hosts             // the servers of the reader, if it has several
	host     string            // one of them, with or without a port
	ca       string            // the file of certificate authorities; empty: that of the Check
	headers  map[string]string // of an HTTP request
	pattern  *regexp.Regexp    // its only group is the index; nil: the text is the index
	revision bool              // it reports revisions, not indexes
	// wholeStore means that it reports how far it has read the store, not the highest
	// index of what it has read.
	wholeStore bool
	answers    map[string][]netip.Prefix // for DNS: the networks of a place, by the name of its object
	ttl        ttlLimits                 // for DNS
	rendered   rendered                  // for Rendered

	group   map[int]string // the values for the {tag}s, by position of the tag
	problem string         // why it cannot be asked; empty if it can
}

// Name returns the name of the reader in a report.
func (r Reader) Name() string {
	name := r.Label
	if name == "" {
		name = string(r.Kind) + " " + r.Target
	}
	if r.host != "" {
		name += " " + r.host
	}
	return name
}

// reads reports whether the reader reads an object.
func (r Reader) reads(tags []string, name string) bool {
	for i, v := range r.group {
		if i >= len(tags) || tags[i] != v {
			return false
		}
	}
	return len(tags) == len(r.Type.Tags) && !r.isHidden(tags, name) && r.Only.Match(tags, name)
}

// isHidden reports whether the reader cannot see an object. MediaWiki lists the
// directory of the type over the v2 API, and PyBal that of a pool; a listing omits
// keys with a path element that begins with _ below the directory.
func (r Reader) isHidden(tags []string, name string) bool {
	underscored := func(part string) bool { return strings.HasPrefix(part, "_") }
	switch r.Kind {
	case MediaWiki:
		return underscored(name) || slices.ContainsFunc(tags, underscored)
	case PyBal:
		return underscored(name)
	}
	return false
}

// key returns the key of an object among those of the reader: its name and, in a
// rendered file, the captured tags.
func (r Reader) key(tags []string, name string) string {
	if r.Kind != Rendered {
		return name
	}
	var parts []string
	for i, tag := range r.Type.Tags {
		if i < len(tags) && slices.Contains(r.rendered.captures(), tag) {
			parts = append(parts, tags[i])
		}
	}
	return strings.Join(append(parts, name), "/")
}

// objects returns the objects of a snapshot that the reader reads.
func (r Reader) objects(s object.Snapshot) []object.Object {
	var all []object.Object
	for _, o := range s.Objects {
		if o.Type == r.Type && r.reads(o.Tags, o.Name) {
			all = append(all, o)
		}
	}
	return all
}

// change is the change of one object in one record.
type change struct {
	sal.Object
	record sal.Stored
	key    string
}

// changes returns the changes in the records of objects that the reader reads, in
// the order of the records.
func (r Reader) changes(records []sal.Stored) []change {
	var all []change
	for _, rec := range records {
		for _, o := range rec.Change.Objects {
			parts := strings.Split(o.Path, "/")
			tags, name := parts[:len(parts)-1], parts[len(parts)-1]
			if o.Type == r.Type.Name && r.reads(tags, name) {
				all = append(all, change{o, rec, r.key(tags, name)})
			}
		}
	}
	return all
}

// selection describes the objects that the reader reads.
func (r Reader) selection() string {
	what := r.Type.Name
	if text := r.Only.String(); text != "" {
		what += " " + text
	}
	var pairs []string
	for i, tag := range r.Type.Tags {
		if v, ok := r.group[i]; ok {
			pairs = append(pairs, tag+"="+v)
		}
	}
	if len(pairs) > 0 {
		what += " (" + strings.Join(pairs, ",") + ")"
	}
	return what
}
