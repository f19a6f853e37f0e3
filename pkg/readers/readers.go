// Package readers asks the programs that read the store which state they have,
// and says which of them are late.
//
// There are two sorts of readers. One reports an index. The other reports what it
// has made of the objects: which hosts get traffic, which datacenter answers. That
// is compared with what is stored, object by object.
//
// A reader may be late for a while. How long it has been is counted from the
// oldest change that it has not seen, as the journal has it; a reader that is
// said to be late is at least as late as that. Of what no record tells the age,
// the verdict is Warning.
//
// # Readers that report an index
//
// An honest reader that has read the store at revision S reports the highest
// revision R of the objects that there were at S. S itself is not known, so the
// verdict is the mildest that any S allows:
//
//   - Of an object that is there, no change after R since its creation has been
//     seen: else that, or a later one, would be reported.
//   - If no object that is there was written at R, one was that has been written
//     again or deleted since, and the reader has not seen the last such go.
//   - If the journal knows no object that was written at R, and all there are is
//     older, R is of no object that the reader should read, or of a history that
//     was lost in a restore: Unknown.
//
// The oldest change that is so missing is from when on the reader is late. Changes
// of objects that have been deleted do not count, nor do deletions of others than
// those at R: a reader that has seen them reports the same. A reader that reports
// how far it has read the store (reports: store) has S = R, and every change after
// it is missing.
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
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// Kind is what sort of program a reader is: how it is asked.
type Kind string

// The kinds of readers.
const (
	// MediaWiki says in its siteinfo which index its configuration has.
	MediaWiki Kind = "mediawiki"
	// PyBal says on its instrumentation port which hosts of a pool are enabled.
	PyBal Kind = "pybal"
	// DNS is a name server, for a name that it answers with the address of a
	// place that is pooled.
	DNS Kind = "dns"
	// File is a file that was rendered from objects and says of which index.
	File Kind = "file"
	// Index is whatever tells an index over HTTP.
	Index Kind = "index"
	// Rendered is a file that was rendered from objects, here or over HTTP, and
	// says of each what it was.
	Rendered Kind = "rendered"
)

// Kinds returns the names of all kinds.
func Kinds() []string {
	return []string{string(MediaWiki), string(PyBal), string(DNS), string(File), string(Index), string(Rendered)}
}

// DefaultWithin is how late a reader may be that does not say. MediaWiki keeps
// its configuration for 10 seconds.
const DefaultWithin = 30 * time.Second

// criticalAfter is how many times as late as it may be a reader is when that
// is critical, unless somebody says.
const criticalAfter = 4

// Reader is one program that reads objects, or with {tag} in its target one for
// each value of the tag, and with hosts one for each host. Make readers with Load or Parse.
type Reader struct {
	Kind   Kind
	Label  string // what it is called in the report; empty: its target
	Target string // the URL, the DNS name or the path of the file
	Type   *schema.Type
	Only   selector.Selector // which objects it reads
	Within time.Duration     // how late it may be
	Pos    yamldoc.Pos       // where it is declared; zero if it was given on the command line

	local    bool              // the target is a file here
	server   string            // of DNS: host:port
	servers  hosts             // the servers behind it; none if its target is all
	host     string            // one of them, with or without a port
	ca       string            // file of authorities; empty: that of the Check
	headers  map[string]string // of a request over HTTP
	pattern  *regexp.Regexp    // its one group is the index; nil: the text is nothing else
	revision bool              // what it reports is a revision, and no index
	// wholeStore says that what it reports is how far it has read the store, and
	// not the highest of what it has read.
	wholeStore bool
	answers    map[string][]netip.Prefix // of DNS: by the name of an object, the addresses of its place
	ttl        ttlLimits                 // of DNS
	rendered   rendered                  // of Rendered
	group      map[int]string            // the tags of the type that {tag} stood for
}

// Name is what the reader is called in a report.
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

// reads reports whether an object is one that the reader reads.
func (r Reader) reads(tags []string, name string) bool {
	for i, v := range r.group {
		if i >= len(tags) || tags[i] != v {
			return false
		}
	}
	return len(tags) == len(r.Type.Tags) && !r.hidden(tags, name) && r.Only.Match(tags, name)
}

// hidden reports whether the reader cannot see an object, since it lists a
// directory over the v2 API, and a part of the object's path below that begins
// with _, which keeps it out of listings. MediaWiki lists the whole type, and
// PyBal one pool.
func (r Reader) hidden(tags []string, name string) bool {
	underscored := func(part string) bool { return strings.HasPrefix(part, "_") }
	switch r.Kind {
	case MediaWiki:
		return underscored(name) || slices.ContainsFunc(tags, underscored)
	case PyBal:
		return underscored(name)
	}
	return false
}

// key is what tells the objects of a reader apart: the name, and in a rendered
// file those tags that are found there.
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

// keyOf is key for an object as the journal has it.
func (r Reader) keyOf(o sal.Object) string {
	parts := strings.Split(o.Path, "/")
	return r.key(parts[:len(parts)-1], parts[len(parts)-1])
}

// readsRecorded is reads for an object as the journal has it.
func (r Reader) readsRecorded(o sal.Object) bool {
	if o.Type != r.Type.Name {
		return false
	}
	parts := strings.Split(o.Path, "/")
	return r.reads(parts[:len(parts)-1], parts[len(parts)-1])
}

// objects returns what the reader reads.
func (r Reader) objects(s object.Snapshot) []object.Object {
	var all []object.Object
	for _, o := range s.Objects {
		if o.Type == r.Type && r.reads(o.Tags, o.Name) {
			all = append(all, o)
		}
	}
	return all
}

// selection says which objects the reader reads, in words.
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

// State is what readers are compared with.
type State struct {
	Snapshot object.Snapshot // with all objects of the readers' types
	// Journal is the newest changes, the newest first. What it does not reach
	// back to is late for longer than can be told.
	Journal []sal.Stored
}

// Level is how bad something is, for a monitoring system: as a number it is the
// exit code of a monitoring plugin.
type Level int

// The levels.
const (
	OK       Level = 0
	Warning  Level = 1
	Critical Level = 2
	Unknown  Level = 3
)

// String is the word a monitoring plugin has for the level.
func (l Level) String() string {
	words := [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}
	if l < 0 || int(l) >= len(words) {
		return "UNKNOWN"
	}
	return words[l]
}

// weight orders levels: what is known to be bad is worse than what is not
// known.
func (l Level) weight() int {
	switch l {
	case OK:
		return 0
	case Unknown:
		return 1
	case Warning:
		return 2
	}
	return 3
}

// Result is what there is to say about one reader.
type Result struct {
	Reader Reader // with its tags filled in
	Level  Level
	Msg    string // one line of printable text, without |
	Note   string // what cannot be seen in readers of this kind; may be empty

	Asked    bool           // it has answered, and can be compared
	Current  bool           // it has seen all that it can be seen to have
	Seen     store.Revision // up to which it has seen the store; 0 if it does not report that
	Behind   int            // changes, or objects, that it has not seen; at least
	Since    string         // the change that was asked about; empty for all
	NotAbout bool           // that change has nothing that the reader reads
	Late     time.Duration  // since the oldest of them whose age is known; 0 if Current
	LateFrom bool           // Late is that of all of them, if not Current
	// Warn and Crit are from how late on the level is that.
	Warn, Crit time.Duration
}
