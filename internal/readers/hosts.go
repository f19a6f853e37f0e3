package readers

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/netcause"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
)

// maxHosts limits the number of servers of one reader.
const maxHosts = 1_000

// hosts describes the servers of one reader, all of which are asked. At most one of
// list, name and typ is set.
type hosts struct {
	list []string          // HOST or HOST:PORT
	name string            // a DNS name, all of whose addresses are asked
	typ  *schema.Type      // the hosts are the names of objects of this type
	only selector.Selector // of those objects
}

// Types returns the types of the objects that must be read for a reader: its own
// type, and the type of the objects that name its hosts.
func (r Reader) Types() []*schema.Type {
	if r.hosts.typ == nil || r.hosts.typ == r.Type {
		return []*schema.Type{r.Type}
	}
	return []*schema.Type{r.Type, r.hosts.typ}
}

// find returns the hosts, or none if the target is the only server.
func (h hosts) find(ctx context.Context, s object.Snapshot) (names []string, err error) {
	switch {
	case h.name != "":
		names, err = addressesOf(ctx, h.name)
	case h.typ != nil:
		names, err = h.ofType(s)
	default:
		names = h.list
	}
	if len(names) > maxHosts {
		return nil, fmt.Errorf("it has %d hosts, and at most %d are asked: divide it", len(names), maxHosts)
	}
	return names, err
}

// ofType returns the names of the objects, each once. Inactive objects are left out.
func (h hosts) ofType(s object.Snapshot) ([]string, error) {
	var names []string
	for _, o := range s.Objects {
		if o.Type == h.typ && h.only.Match(o.Tags, o.Name) && !isInactive(value.OfMap(o.Fields...)) && !slices.Contains(names, o.Name) {
			names = append(names, o.Name)
		}
	}
	if len(names) == 0 {
		what := strings.TrimSpace(h.typ.Name + " " + h.only.String())
		return nil, fmt.Errorf("no host to ask: the store has no %s that is not inactive", what)
	}
	return names, nil
}

// addressesOf returns all addresses of NAME or NAME:PORT, with the port if it is
// given.
func addressesOf(ctx context.Context, text string) ([]string, error) {
	name, port, err := net.SplitHostPort(text)
	if err != nil {
		name, port = text, ""
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %s", printable(name), printable(cmp.Or(netcause.Lookup(err), err.Error())))
	}
	slices.SortFunc(found, netip.Addr.Compare)
	var all []string
	for _, a := range found {
		text := a.Unmap().String()
		if port != "" {
			text = net.JoinHostPort(text, port)
		}
		all = append(all, text)
	}
	return slices.Compact(all), nil
}

// hostPort adds the default port to a host without one.
func hostPort(text, port string) (string, error) {
	host, given, err := net.SplitHostPort(text)
	if err != nil {
		host, given = strings.Trim(text, "[]"), port
	}
	if !isPort(given) || !dnsName.MatchString(host) && net.ParseIP(host) == nil {
		return "", fmt.Errorf("%q is no HOST or HOST:PORT", printable(text))
	}
	return net.JoinHostPort(host, given), nil
}

func isHost(text string) bool {
	_, err := hostPort(text, "1")
	return err == nil
}
