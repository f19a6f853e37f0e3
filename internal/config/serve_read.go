package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// readServe reads the setting serve of confctl.yaml. It checks only the form;
// Check, which only the command serve calls, checks the values.
func readServe(n yamldoc.Node) (c Serve, err error) {
	if n.IsEmpty() {
		return c, nil
	}
	parts, err := known(n, "serve", "gateway", "metrics", "deliver", "connections_per_address")
	if err != nil {
		return c, err
	}
	if gateway, ok := parts["gateway"]; ok {
		if c.Gateway, err = readGateway(gateway); err != nil {
			return c, err
		}
	}
	if metrics, ok := parts["metrics"]; ok {
		settings, err := settingsOf(metrics, "listen")
		if err != nil {
			return c, err
		}
		if c.Metrics, err = listenOf(metrics, settings); err != nil {
			return c, err
		}
	}
	if n := parts["connections_per_address"].Value; !n.IsEmpty() {
		c.PerAddress, err = strconv.Atoi(n.Text())
		if err != nil || c.PerAddress < 1 || c.PerAddress > MaxConnections {
			return c, n.Errorf("connections_per_address must be a number from 1 to %d, not %s", MaxConnections, n.Describe())
		}
	}
	if d := parts["deliver"].Value; !d.IsEmpty() {
		v, err := schema.Field{Name: "deliver", Kind: schema.Bool, Default: value.OfBool(false)}.FromYAML(d)
		if err != nil {
			return c, err
		}
		c.Deliver = v.True()
	}
	return c, nil
}

func readGateway(p yamldoc.Pair) (g Gateway, err error) {
	settings, err := settingsOf(p, "listen", "cert", "key", "allow")
	if err != nil {
		return g, err
	}
	if g.Listen, err = listenOf(p, settings); err != nil {
		return g, err
	}
	if g.Cert, err = valueOf(settings["cert"].Value, "cert"); err != nil {
		return g, err
	}
	if g.Key, err = valueOf(settings["key"].Value, "key"); err != nil {
		return g, err
	}
	if allow, ok := settings["allow"]; ok {
		g.Allow, err = allowOf(allow)
	}
	return g, err
}

// allowOf returns the keys to allow. An empty list becomes one empty key at the
// position of the setting.
func allowOf(p yamldoc.Pair) (all []Value, err error) {
	var items []yamldoc.Node
	if !p.Value.IsEmpty() {
		if items, err = p.Value.Items("allow"); err != nil {
			return nil, err
		}
	}
	for _, item := range items {
		v, err := valueOf(item, "a key to allow")
		if err != nil {
			return nil, err
		}
		v.Pos = item.Pos() // valueOf does not set it for an empty one
		all = append(all, v)
	}
	if len(all) == 0 {
		all = []Value{{Pos: p.Key.Pos()}}
	}
	return all, nil
}

// settingsOf returns the settings of a part by name; nil if it has none.
func settingsOf(p yamldoc.Pair, names ...string) (map[string]yamldoc.Pair, error) {
	if p.Value.IsEmpty() {
		return nil, nil
	}
	return known(p.Value, p.Name, names...)
}

// known returns the pairs of a map by name. It returns an error if there are
// other names.
func known(n yamldoc.Node, what string, names ...string) (map[string]yamldoc.Pair, error) {
	pairs, err := n.Pairs(what)
	if err != nil {
		return nil, err
	}
	byName := map[string]yamldoc.Pair{}
	for _, p := range pairs {
		if !slices.Contains(names, p.Name) {
			return nil, p.Key.Errorf("%s has no %q%s; it takes %s", what, p.Name, nearest.Suggest(p.Name, names), strings.Join(names, ", "))
		}
		byName[p.Name] = p
	}
	return byName, nil
}

// listenOf returns the address of a part. If there is none, the position is that
// of the part.
func listenOf(part yamldoc.Pair, settings map[string]yamldoc.Pair) (Value, error) {
	listen, err := valueOf(settings["listen"].Value, "listen")
	if err == nil && listen.Text == "" {
		listen.Pos = part.Key.Pos()
	}
	return listen, err
}

// valueOf returns a text of the file; an empty Value if it is missing.
func valueOf(n yamldoc.Node, what string) (Value, error) {
	if n.IsEmpty() {
		return Value{}, nil
	}
	if !n.IsScalar() || n.Text() == "" {
		return Value{}, n.Errorf("%s must be text, not %s", what, n.Describe())
	}
	return Value{Text: n.Text(), Pos: n.Pos()}, nil
}
