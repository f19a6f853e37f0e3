package main

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// serveSettings are which parts of serve are switched on, and how. A part without
// an address is off.
type serveSettings struct {
	gateway gatewaySettings
	metrics string
	deliver bool
}

type gatewaySettings struct {
	listen    string
	cert, key string
	allow     []string
}

// or returns the settings with those of the command line in their place.
func (c serveSettings) or(asked serveSettings) serveSettings {
	if asked.gateway.listen != "" {
		c.gateway.listen = asked.gateway.listen
	}
	if asked.gateway.cert != "" || asked.gateway.key != "" {
		c.gateway.cert, c.gateway.key = asked.gateway.cert, asked.gateway.key
	}
	if len(asked.gateway.allow) > 0 {
		c.gateway.allow = asked.gateway.allow
	}
	if asked.metrics != "" {
		c.metrics = asked.metrics
	}
	c.deliver = c.deliver || asked.deliver
	return c
}

// check refuses what makes no service.
func (c serveSettings) check() error {
	switch {
	case c.gateway.listen == "" && c.metrics == "" && !c.deliver:
		return &usageError{"nothing to serve: no part is switched on", "confctl serve --gateway 127.0.0.1:4001, or serve: {gateway: {listen: 127.0.0.1:4001}} in confctl.yaml"}
	case (c.gateway.cert == "") != (c.gateway.key == ""):
		return &usageError{"a certificate and its key are only useful together", "--cert FILE --key FILE"}
	case c.gateway.listen == "" && (c.gateway.cert != "" || len(c.gateway.allow) > 0):
		return &usageError{"a certificate and keys to allow are for the gateway, which is not switched on", "add --gateway ADDRESS"}
	}
	return nil
}

// readServe reads the key serve of confctl.yaml.
func readServe(n yamldoc.Node) (c serveSettings, err error) {
	if n.IsEmpty() {
		return c, nil
	}
	parts, err := known(n, "serve", "gateway", "metrics", "deliver")
	if err != nil {
		return c, err
	}
	if c.gateway, err = readGateway(parts["gateway"]); err != nil {
		return c, err
	}
	if m := parts["metrics"]; !m.IsEmpty() {
		metrics, err := known(m, "metrics", "listen")
		if err != nil {
			return c, err
		}
		if c.metrics, err = textOf(metrics["listen"], "listen"); err != nil {
			return c, err
		}
	}
	if d := parts["deliver"]; !d.IsEmpty() {
		v, err := schema.Field{Name: "deliver", Kind: schema.Bool, Default: value.OfBool(false)}.FromYAML(d)
		if err != nil {
			return c, err
		}
		c.deliver = v.True()
	}
	return c, nil
}

func readGateway(n yamldoc.Node) (c gatewaySettings, err error) {
	if n.IsEmpty() {
		return c, nil
	}
	parts, err := known(n, "gateway", "listen", "cert", "key", "allow")
	if err != nil {
		return c, err
	}
	for name, to := range map[string]*string{"listen": &c.listen, "cert": &c.cert, "key": &c.key} {
		if *to, err = textOf(parts[name], name); err != nil {
			return c, err
		}
	}
	if a := parts["allow"]; !a.IsEmpty() {
		items, err := a.Items("allow")
		if err != nil {
			return c, err
		}
		for _, item := range items {
			text, err := textOf(item, "a key to allow")
			if err != nil {
				return c, err
			}
			c.allow = append(c.allow, text)
		}
	}
	return c, nil
}

// known returns the parts of a map that has no others than these.
func known(n yamldoc.Node, what string, names ...string) (map[string]yamldoc.Node, error) {
	pairs, err := n.Pairs(what)
	if err != nil {
		return nil, err
	}
	parts := map[string]yamldoc.Node{}
	for _, p := range pairs {
		if !slices.Contains(names, p.Name) {
			return nil, p.Key.Errorf("%s has no %q%s; it takes %s", what, p.Name, nearest.Suggest(p.Name, names), strings.Join(names, ", "))
		}
		parts[p.Name] = p.Value
	}
	return parts, nil
}

// textOf is a word of a file; what is not there is empty.
func textOf(n yamldoc.Node, what string) (string, error) {
	if n.IsEmpty() {
		return "", nil
	}
	if !n.IsScalar() || n.Text() == "" {
		return "", n.Errorf("%s must be a word, not %s", what, n.Describe())
	}
	return n.Text(), nil
}
