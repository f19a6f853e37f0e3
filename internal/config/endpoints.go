package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// endpoints returns the URLs made of host, port and protocol; none if there is no
// host.
func (rc Etcdrc) endpoints() ([]string, error) {
	protocol, err := rc.protocol()
	if err != nil {
		return nil, err
	}
	port, err := rc.port()
	if err != nil {
		return nil, err
	}
	host := rc["host"]
	switch {
	case strings.Contains(host.Text(), "://"):
		return nil, host.Errorf("host takes a name, not a URL; set protocol and port for the rest")
	case host.IsEmpty():
		return nil, nil
	case host.IsScalar():
		return []string{endpoint(protocol, host.Text(), port)}, nil
	}
	items, err := host.Items("host")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, item := range items {
		name, ownPort, err := hostAndPort(item, port)
		if err != nil {
			return nil, err
		}
		all = append(all, endpoint(protocol, name, ownPort))
	}
	return all, nil
}

func (rc Etcdrc) port() (string, error) {
	n, ok := rc["port"]
	if !ok {
		return "2379", nil
	}
	return portOf(n)
}

func portOf(n yamldoc.Node) (string, error) {
	v, err := schema.Field{Name: "port", Kind: schema.Int, Default: value.OfInt(0)}.FromYAML(n)
	if err != nil {
		return "", err
	}
	if p, _ := v.Int(); p < 1 || p > 65535 {
		return "", n.Errorf("port cannot be %s; it is from 1 to 65535", n.Text())
	}
	return v.Text(), nil
}

// hostAndPort parses an element of a list of hosts: a name, or a list of a name
// and its port.
func hostAndPort(n yamldoc.Node, port string) (string, string, error) {
	if n.IsScalar() && n.Text() != "" {
		return n.Text(), port, nil
	}
	parts, err := n.Items("a host")
	if err != nil || len(parts) != 2 {
		return "", "", n.Errorf("host must be a name, or a list of [name, port]")
	}
	ownPort, err := portOf(parts[1])
	return parts[0].Text(), ownPort, err
}

// endpoint returns the URL of a host. A port in host takes precedence over port.
func endpoint(protocol, host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return fmt.Sprintf("%s://%s", protocol, host)
	}
	return fmt.Sprintf("%s://%s", protocol, joinHostPort(host, port))
}

func joinHostPort(host, port string) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// Serves reports whether a URL has the scheme, host and port of an endpoint of
// the etcdrc, or of the hosts of the configuration if the etcdrc has none. It
// does not look up a srv_domain, so it reports false for its endpoints.
func (rc Etcdrc) Serves(address string, hosts []string) (bool, error) {
	endpoints, err := rc.endpoints()
	switch {
	case err != nil:
		return false, err
	case rc["srv_domain"].Text() != "":
		return false, nil
	case len(endpoints) == 0:
		endpoints = hosts
	}
	at := origin(address)
	return at != "" && slices.ContainsFunc(endpoints, func(e string) bool { return origin(e) == at }), nil
}

// origin returns the scheme, host and port of a URL; empty if it lacks one of
// them.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	case u.Scheme == "http":
		port = "80"
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
