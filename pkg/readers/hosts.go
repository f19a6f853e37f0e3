package readers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/netcause"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// mostHosts bounds how many servers are behind one reader.
const mostHosts = 1_000

// hosts are the servers behind one reader: each is asked by itself. At most one
// of the three is given.
type hosts struct {
	list []string          // HOST or HOST:PORT
	name string            // in the DNS: every address of it
	typ  *schema.Type      // objects of this type: each name of one
	only selector.Selector // which of them
}

func (h hosts) given() bool { return len(h.list) > 0 || h.name != "" || h.typ != nil }

// Types returns the types of the objects that have to be read for a reader: its
// own, and that of the objects that name its hosts.
func (r Reader) Types() []*schema.Type {
	if r.servers.typ == nil || r.servers.typ == r.Type {
		return []*schema.Type{r.Type}
	}
	return []*schema.Type{r.Type, r.servers.typ}
}

// perHost returns one reader for each host, or the reader with a problem.
func (e expanded) perHost(s object.Snapshot, lookup func(name string) ([]string, error)) []expanded {
	if e.problem != "" || !e.servers.given() {
		return []expanded{e}
	}
	names, err := e.servers.find(s, lookup)
	if len(names) > mostHosts {
		err = fmt.Errorf("it has %d hosts, and at most %d are asked: divide it", len(names), mostHosts)
	}
	if err != nil {
		e.problem = err.Error()
		return []expanded{e}
	}
	var all []expanded
	for _, name := range names {
		one := e
		one.host = name
		if one.Kind == DNS {
			if one.server, err = hostPort(name, "53"); err != nil {
				one.problem = err.Error()
			}
		}
		all = append(all, one)
	}
	return all
}

// find returns the hosts, each once. Objects that are inactive are left out.
func (h hosts) find(s object.Snapshot, lookup func(name string) ([]string, error)) ([]string, error) {
	names := h.list
	switch {
	case h.name != "":
		return lookup(h.name)
	case h.typ == nil:
		return names, nil
	}
	for _, o := range s.Objects {
		pooled, _ := fieldOf(value.OfMap(o.Fields...), pooledField).Str()
		if o.Type != h.typ || !h.only.Match(o.Tags, o.Name) || pooled == "inactive" || slices.Contains(names, o.Name) {
			continue
		}
		names = append(names, o.Name)
	}
	if len(names) == 0 {
		what := h.typ.Name
		if text := h.only.String(); text != "" {
			what += " " + text
		}
		return nil, fmt.Errorf("no host to ask: the store has no %s that is not inactive", what)
	}
	return names, nil
}

// resolver looks up every address of a name, each name once.
func (c Check) resolver(ctx context.Context) func(name string) ([]string, error) {
	type outcome struct {
		addresses []string
		err       error
	}
	known := map[string]outcome{}
	return func(text string) ([]string, error) {
		if o, found := known[text]; found {
			return o.addresses, o.err
		}
		limited, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		var o outcome
		o.addresses, o.err = addressesOf(limited, text)
		if limited.Err() != nil && o.err != nil {
			o.err = fmt.Errorf("looking up %s: no answer within %v", printable(text), c.Timeout)
		}
		known[text] = o
		return o.addresses, o.err
	}
}

// addressesOf returns every address of NAME or NAME:PORT, with the port if there
// is one.
func addressesOf(ctx context.Context, text string) ([]string, error) {
	name, port, err := net.SplitHostPort(text)
	if err != nil {
		name, port = text, ""
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		why := netcause.Lookup(err)
		if why == "" {
			why = err.Error()
		}
		return nil, fmt.Errorf("looking up %s: %s", printable(name), printable(why))
	}
	slices.SortFunc(found, netip.Addr.Compare)
	var all []string
	for _, a := range found {
		if text := a.Unmap().String(); port != "" {
			all = append(all, net.JoinHostPort(text, port))
		} else {
			all = append(all, text)
		}
	}
	return slices.Compact(all), nil
}

// hosts reads a list of hosts, {type: TYPE, select: SELECTOR}, or a name in the
// DNS.
func (l *loader) hosts(r *Reader, d declaration) {
	n, given := d.parts["hosts"]
	if !given {
		return
	}
	switch {
	case n.IsList():
		items, _ := n.Items("hosts")
		if len(items) == 0 {
			l.failAt(n, "hosts is empty: who is to be asked?")
		}
		for _, item := range items {
			if r.servers.list = append(r.servers.list, item.Text()); !isHost(item.Text()) {
				l.failAt(item, "hosts: %s is no HOST or HOST:PORT", item.Describe())
			}
		}
		if len(items) > mostHosts {
			l.failAt(n, "hosts: %d are too many: at most %d are asked", len(items), mostHosts)
		}
	case n.IsMap():
		l.hostsOfType(r, n)
	default:
		if r.servers.name = n.Text(); !isHost(r.servers.name) {
			l.failAt(n, "hosts cannot be %s: a list of hosts, {type: TYPE, select: SELECTOR}, or a DNS name whose every address is to be asked, is expected", n.Describe())
		}
	}
}

func isHost(text string) bool {
	_, err := hostPort(text, "1")
	return err == nil
}

func (l *loader) hostsOfType(r *Reader, n yamldoc.Node) {
	pairs, err := n.Pairs("hosts")
	if err != nil {
		l.fail(err)
		return
	}
	parts := map[string]yamldoc.Node{}
	for _, p := range pairs {
		if parts[p.Name] = p.Value; p.Name != "type" && p.Name != "select" {
			l.failAt(p.Key, "hosts has no %q; it takes type and select", p.Name)
		}
	}
	of, given := parts["type"]
	if !given {
		l.failAt(n, "hosts needs type: the names of which objects are they?")
		return
	}
	if r.servers.typ, err = l.schema.Type(of.Text()); err != nil {
		var broken *schema.InvalidError
		if errors.As(err, &broken) {
			err = fmt.Errorf("type %s cannot be used", of.Text())
		}
		l.failAt(of, "hosts: %v", err)
		return
	}
	if sel, given := parts["select"]; given {
		if r.servers.only, err = r.servers.typ.Selector(strings.TrimSpace(sel.Text())); err != nil {
			l.failAt(sel, "hosts: select: %v", err)
		}
	}
}
