package readers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/conftool/confctl/pkg/netcause"
)

// lookup asks the reader's server for the addresses of its name. A name that
// does not exist, or has none, has no addresses.
func (a asker) lookup(ctx context.Context, r Reader) ([]netip.Addr, error) {
	resolver := net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, r.server)
		},
	}
	// With the dot it is the whole name, whatever the host searches.
	found, err := resolver.LookupNetIP(ctx, r.family(), strings.TrimSuffix(r.Target, ".")+".")
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound && ctx.Err() == nil {
		return nil, nil
	}
	if err != nil {
		return nil, a.lookupError(ctx, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

// family is which addresses are worth asking for: those of the families that
// places are known by.
func (r Reader) family() string {
	var four, six bool
	for _, nets := range r.answers {
		for _, n := range nets {
			four, six = four || n.Addr().Is4(), six || n.Addr().Is6()
		}
	}
	switch {
	case !six:
		return "ip4"
	case !four:
		return "ip6"
	}
	return "ip"
}

func (a asker) lookupError(ctx context.Context, err error) error {
	var dns *net.DNSError
	switch {
	case ctx.Err() != nil, errors.As(err, &dns) && dns.IsTimeout:
		return fmt.Errorf("no answer within %v", a.timeout)
	}
	return errors.New(printable(cmp.Or(netcause.Lookup(err), err.Error())))
}

// place returns which object's place an address is in.
func (r Reader) place(a netip.Addr) (string, bool) {
	best, name := -1, ""
	for object, nets := range r.answers {
		for _, n := range nets {
			if n.Contains(a) && n.Bits() > best {
				best, name = n.Bits(), object
			}
		}
	}
	return name, best >= 0
}
