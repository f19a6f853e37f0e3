package config

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/yamldoc"
)

// MaxConnections is how many connections a part of serve has open at once.
const MaxConnections = 4096

// Serve says which parts of serve are switched on, and how. A part without an
// address is off.
type Serve struct {
	Gateway    Gateway
	Metrics    Value // where to listen
	Deliver    bool
	PerAddress int // connections that a part takes from one address at once; 0 for the default
}

// Gateway is the settings of the gateway.
type Gateway struct {
	Listen    Value
	Cert, Key Value   // files; both empty for plain HTTP
	Allow     []Value // keys to serve, with what is below them; none for everything
}

// Value is a text that was set by an option or at a place in confctl.yaml.
type Value struct {
	Text   string
	Option string // such as --gateway; empty if it is from the file
	Pos    yamldoc.Pos
}

// Source names the option or the place in the file.
func (v Value) Source() string { return cmp.Or(v.Option, v.Pos.String()) }

// Errorf returns the error that the value cannot be used: an *Error for an option, a
// *yamldoc.Error for a place in the file. Fix says what to do instead.
func (v Value) Errorf(fix, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if v.Option != "" {
		return &Error{Msg: v.Option + ": " + msg, Fix: fix}
	}
	if fix != "" {
		msg += "; " + fix
	}
	return yamldoc.Errorf(v.Pos, "%s", msg)
}

// missing reports that a part is mentioned in confctl.yaml without the text that it
// needs.
func (v Value) missing() bool { return v.Text == "" && v.Pos.Line > 0 }

// ConnectionsPerAddress returns how many connections a part takes from one address
// at once. By default it is half of MaxConnections, so that no client keeps out the
// others.
func (c Serve) ConnectionsPerAddress() int { return cmp.Or(c.PerAddress, MaxConnections/2) }

// Override returns the settings with those of the command line in their place.
func (c Serve) Override(options Serve) Serve {
	if options.Gateway.Listen.Text != "" {
		c.Gateway.Listen = options.Gateway.Listen
	}
	if options.Gateway.Cert.Text != "" || options.Gateway.Key.Text != "" {
		c.Gateway.Cert, c.Gateway.Key = options.Gateway.Cert, options.Gateway.Key
	}
	if len(options.Gateway.Allow) > 0 {
		c.Gateway.Allow = options.Gateway.Allow
	}
	if options.Metrics.Text != "" {
		c.Metrics = options.Metrics
	}
	c.Deliver = c.Deliver || options.Deliver
	return c
}

// Check returns an error if nothing can be served with the settings: an *Error or a
// *yamldoc.Error.
func (c Serve) Check() error {
	if err := checkListen("gateway", "4001", c.Gateway.Listen); err != nil {
		return err
	}
	if err := checkListen("metrics", "9567", c.Metrics); err != nil {
		return err
	}
	if err := c.Gateway.check(); err != nil {
		return err
	}
	switch {
	case c.Gateway.Listen.Text == "" && c.Metrics.Text == "" && !c.Deliver:
		return &Error{Reason: NothingToServe, Setting: "serve", Msg: "nothing to serve: no part is switched on"}
	case sameListener(c.Gateway.Listen.Text, c.Metrics.Text):
		return c.Metrics.Errorf("give it another port", "metrics cannot listen on %s: the gateway listens on %s", c.Metrics.Text, c.Gateway.Listen.Text)
	}
	return nil
}

func (g Gateway) check() error {
	for _, a := range g.Allow {
		if a.Text == "" { // as from a template that had nothing to fill in
			return a.Errorf("leave it out to serve everything", "an empty key allows nothing")
		}
	}
	const both = "give both, or neither to speak plain HTTP"
	switch off := g.Listen.Text == ""; {
	case g.Cert.Text == "" && g.Key.Text != "":
		return g.Key.Errorf(both, "key needs the certificate too, cert")
	case g.Cert.Text != "" && g.Key.Text == "":
		return g.Cert.Errorf(both, "cert needs the private key too, key")
	case off && g.Cert.Text != "":
		return gatewayOff(g.Cert, "a certificate is")
	case off && len(g.Allow) > 0:
		return gatewayOff(g.Allow[0], "keys to allow are")
	}
	return nil
}

// gatewayOff returns the error for a setting of a gateway that is off. It comes from
// an option: in the file, a gateway without an address is an error already.
func gatewayOff(v Value, what string) error {
	return &Error{Reason: GatewayOff, Msg: v.Source() + ": " + what + " for the gateway, which is not switched on"}
}

// checkListen checks the address of a part, if it is switched on. The port is for
// an example, unless the address shows which one was meant.
func checkListen(part, port string, v Value) error {
	const like = `like 127.0.0.1:%s for this host only, or ":%s" for everybody`
	if v.missing() {
		return v.Errorf("", "%s has no listen, an address "+like, part, port, port)
	}
	host, asked, err := net.SplitHostPort(v.Text)
	if v.Text == "" || err == nil && isPort(asked) && !strings.ContainsAny(host, "/ ") {
		return nil
	}
	if alone := strings.Trim(v.Text, ":"); isPort(alone) {
		port = alone
	}
	return v.Errorf("", "%q is not an address to listen on; give one "+like, v.Text, port, port)
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
