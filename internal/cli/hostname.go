package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/netcause"
	"github.com/conftool/confctl/internal/term"
)

// thisHost returns this host's name with its domain, which is how objects are named.
// It returns "" if the host's name cannot be read.
func thisHost(ctx context.Context, std term.Streams, g *globals, settings *config.Settings) string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return fullName(ctx, std, g, settings, net.DefaultResolver, name)
}

// fullName returns a host's name with its domain, or name and a warning if the name
// server does not answer. The lookup takes at most 2 seconds or half of the timeout,
// or goneTimeout with --gone. The whole command must end within the timeout, so
// fullName subtracts the time of a failed lookup from settings.Timeout, except with
// --gone.
func fullName(ctx context.Context, std term.Streams, g *globals, settings *config.Settings, resolver *net.Resolver, name string) string {
	limit := min(2*time.Second, settings.Timeout/2)
	if g.terms.Gone {
		limit = goneTimeout // as for each request to the store
	}
	full, err := fqdn(ctx, resolver, name, limit)
	if err == nil {
		return full
	}
	std.Warn(fmt.Sprintf("%v, so this host is taken for %s; --hostname HOST names it in full", err, name))
	if !g.terms.Gone {
		settings.Timeout -= limit
	}
	return name
}

// fqdn returns a host's name with its domain if the resolver knows it, and name
// otherwise. It returns an error if the name server does not answer within limit.
func fqdn(ctx context.Context, resolver *net.Resolver, name string, limit time.Duration) (string, error) {
	if strings.Contains(name, ".") {
		return name, nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	addresses, err := resolver.LookupHost(ctx, name)
	for _, a := range addresses {
		var names []string
		if names, err = resolver.LookupAddr(ctx, a); err != nil {
			continue
		}
		for _, full := range names {
			if full = strings.TrimSuffix(full, "."); strings.HasPrefix(full, name+".") {
				return full, nil
			}
		}
	}
	if netcause.Lookup(err) == netcause.NoNameServer {
		return name, fmt.Errorf("the name server does not answer within %v", limit)
	}
	return name, nil // the resolver does not know the full name
}
