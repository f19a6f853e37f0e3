package cli

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// serveSettings are which parts of serve are switched on, and how. A part that
// nobody has mentioned is off.
type serveSettings struct {
	gateway gatewaySettings
	metrics given // where to listen
	deliver bool
	// perAddress is how many connections a part takes from one address at once;
	// 0 for the default.
	perAddress int
}

// connectionsPerAddress returns how many connections a part takes from one
// address at once. By default it is half of all, so no client keeps out the rest.
func (c serveSettings) connectionsPerAddress() int { return cmp.Or(c.perAddress, mostConnections/2) }

type gatewaySettings struct {
	listen    given
	cert, key given
	allow     []given
}

// given is a text, and who has given it: an option, or else a place in
// confctl.yaml. Without either it is not there.
type given struct {
	text   string
	option string
	at     yamldoc.Pos
}

// errorf says what is wrong with it, where that is to be mended.
func (g given) errorf(hint, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if g.option != "" {
		return &usageError{g.option + ": " + msg, hint}
	}
	if hint != "" {
		msg += "; " + hint
	}
	return yamldoc.Errorf(g.at, "%s", msg)
}

// where is who has given it.
func (g given) where() string { return cmp.Or(g.option, g.at.String()) }

// change says how to give another text in its place.
func (g given) change(to string) string {
	if g.option != "" {
		return g.option + " " + to
	}
	return to + " at " + g.at.String()
}

// missing reports that a part is mentioned in confctl.yaml, but not the text that
// it needs.
func (g given) missing() bool { return g.text == "" && g.at.Line > 0 }

// or returns the settings with those of the command line in their place.
func (c serveSettings) or(asked serveSettings) serveSettings {
	if asked.gateway.listen.text != "" {
		c.gateway.listen = asked.gateway.listen
	}
	if asked.gateway.cert.text != "" || asked.gateway.key.text != "" {
		c.gateway.cert, c.gateway.key = asked.gateway.cert, asked.gateway.key
	}
	if len(asked.gateway.allow) > 0 {
		c.gateway.allow = asked.gateway.allow
	}
	if asked.metrics.text != "" {
		c.metrics = asked.metrics
	}
	c.deliver = c.deliver || asked.deliver
	return c
}

// check refuses what makes no service.
func (c serveSettings) check() error {
	if err := checkListen("gateway", "4001", c.gateway.listen); err != nil {
		return err
	}
	if err := checkListen("metrics", "9567", c.metrics); err != nil {
		return err
	}
	cert, key := c.gateway.cert, c.gateway.key
	for _, a := range c.gateway.allow {
		if a.text == "" { // as of a template that had nothing to fill in
			return a.errorf("leave it out to serve everything", "an empty key allows nothing")
		}
	}
	switch {
	case cert.text == "" && key.text != "":
		return key.errorf("give both, or neither to speak plain HTTP", "a key is of no use without its certificate, cert")
	case cert.text != "" && key.text == "":
		return cert.errorf("give both, or neither to speak plain HTTP", "a certificate is of no use without its key, key")
	case c.gateway.listen.text == "" && cert.text != "":
		return cert.errorf("add --gateway ADDRESS", "a certificate is for the gateway, which is not switched on")
	case c.gateway.listen.text == "" && len(c.gateway.allow) > 0:
		return c.gateway.allow[0].errorf("add --gateway ADDRESS", "keys to allow are for the gateway, which is not switched on")
	case c.gateway.listen.text == "" && c.metrics.text == "" && !c.deliver:
		return &usageError{"nothing to serve: no part is switched on", "confctl serve --gateway 127.0.0.1:4001, or serve: {gateway: {listen: 127.0.0.1:4001}} in confctl.yaml"}
	case sameListener(c.gateway.listen.text, c.metrics.text):
		return c.metrics.errorf("give it another port", "metrics cannot listen on %s: the gateway listens on %s", c.metrics.text, c.gateway.listen.text)
	}
	return nil
}

// checkListen checks the address of a part, if it is switched on. The port is for
// an example, if there is none that was meant.
func checkListen(part, port string, at given) error {
	const like = `like 127.0.0.1:%s, for this host alone, or ":%s", for everybody`
	if at.missing() {
		return at.errorf("", "%s has no listen, an address "+like, part, port, port)
	}
	host, asked, err := net.SplitHostPort(at.text)
	if at.text == "" || err == nil && isPort(asked) && !strings.ContainsAny(host, "/ ") {
		return nil
	}
	if alone := strings.Trim(at.text, ":"); isPort(alone) {
		port = alone
	}
	return at.errorf("", "%q is no address to listen on; one is "+like, at.text, port, port)
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == text
}

// sameListener reports whether two addresses, which may be empty, cannot both be
// listened on.
func sameListener(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	everybody := []string{"", "0.0.0.0", "::"}
	return hostA == hostB || slices.Contains(everybody, hostA) || slices.Contains(everybody, hostB)
}

// readServe reads the key serve of confctl.yaml: whether it is written as it should
// be. What it means is for check, since only serve minds.
func readServe(n yamldoc.Node) (c serveSettings, err error) {
	if n.IsEmpty() {
		return c, nil
	}
	parts, err := known(n, "serve", "gateway", "metrics", "deliver", "connections_per_address")
	if err != nil {
		return c, err
	}
	if c.gateway, err = readGateway(parts["gateway"]); err != nil {
		return c, err
	}
	if metrics, on := parts["metrics"]; on {
		settings, err := knownOf(metrics, "listen")
		if err != nil {
			return c, err
		}
		if c.metrics, err = listenOf(metrics, settings); err != nil {
			return c, err
		}
	}
	if n := parts["connections_per_address"].Value; !n.IsEmpty() {
		c.perAddress, err = strconv.Atoi(n.Text())
		if err != nil || c.perAddress < 1 || c.perAddress > mostConnections {
			return c, n.Errorf("connections_per_address must be a number from 1 to %d, not %s", mostConnections, n.Describe())
		}
	}
	if d := parts["deliver"].Value; !d.IsEmpty() {
		v, err := schema.Field{Name: "deliver", Kind: schema.Bool, Default: value.OfBool(false)}.FromYAML(d)
		if err != nil {
			return c, err
		}
		c.deliver = v.True()
	}
	return c, nil
}

func readGateway(p yamldoc.Pair) (c gatewaySettings, err error) {
	if p.Name == "" { // it is not mentioned
		return c, nil
	}
	settings, err := knownOf(p, "listen", "cert", "key", "allow")
	if err != nil {
		return c, err
	}
	if c.listen, err = listenOf(p, settings); err != nil {
		return c, err
	}
	if c.cert, err = givenIn(settings["cert"].Value, "cert"); err != nil {
		return c, err
	}
	if c.key, err = givenIn(settings["key"].Value, "key"); err != nil {
		return c, err
	}
	if allow, on := settings["allow"]; on {
		c.allow, err = allowIn(allow)
	}
	return c, err
}

// allowIn returns the keys to allow. Without any there is one, empty, that says
// where they are missing.
func allowIn(p yamldoc.Pair) (all []given, err error) {
	var items []yamldoc.Node
	if !p.Value.IsEmpty() {
		if items, err = p.Value.Items("allow"); err != nil {
			return nil, err
		}
	}
	for _, item := range items {
		one, err := givenIn(item, "a key to allow")
		if err != nil {
			return nil, err
		}
		one.at = item.Pos() // also of nothing
		all = append(all, one)
	}
	if len(all) == 0 {
		all = []given{{at: p.Key.Pos()}}
	}
	return all, nil
}

// knownOf returns the settings of a part, which may be there without any.
func knownOf(p yamldoc.Pair, names ...string) (map[string]yamldoc.Pair, error) {
	if p.Value.IsEmpty() {
		return nil, nil
	}
	return known(p.Value, p.Name, names...)
}

// known returns the parts of a map that has no others than these.
func known(n yamldoc.Node, what string, names ...string) (map[string]yamldoc.Pair, error) {
	pairs, err := n.Pairs(what)
	if err != nil {
		return nil, err
	}
	parts := map[string]yamldoc.Pair{}
	for _, p := range pairs {
		if !slices.Contains(names, p.Name) {
			return nil, p.Key.Errorf("%s has no %q%s; it takes %s", what, p.Name, nearest.Suggest(p.Name, names), strings.Join(names, ", "))
		}
		parts[p.Name] = p
	}
	return parts, nil
}

// listenOf is the address of a part. Without one it is missing at the part.
func listenOf(part yamldoc.Pair, settings map[string]yamldoc.Pair) (given, error) {
	listen, err := givenIn(settings["listen"].Value, "listen")
	if err == nil && listen.text == "" {
		listen.at = part.Key.Pos()
	}
	return listen, err
}

// givenIn is a word of a file; what is not there is empty.
func givenIn(n yamldoc.Node, what string) (given, error) {
	if n.IsEmpty() {
		return given{}, nil
	}
	if !n.IsScalar() || n.Text() == "" {
		return given{}, n.Errorf("%s must be a word, not %s", what, n.Describe())
	}
	return given{text: n.Text(), at: n.Pos()}, nil
}
