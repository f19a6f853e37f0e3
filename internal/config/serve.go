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

// MaxConnections is the largest number of open connections of one part of serve.
const MaxConnections = 4096

// Serve is the settings of serve. A part without an address is off.
type Serve struct {
	Gateway    Gateway
	Metrics    Value // address to listen on
	Deliver    bool
	PerAddress int // open connections of a part from one address; 0 for the default
}

// Gateway is the settings of the gateway.
type Gateway struct {
	Listen    Value
	Cert, Key Value   // files; both are empty for plain HTTP
	Allow     []Value // keys to serve, with all keys below them; none for all keys
}

// A Value is a text from an option or from a position in confctl.yaml.
type Value struct {
	Text   string
	Option string // such as --gateway; empty if the text is from the file
	Pos    yamldoc.Pos
}

// Source returns the option or the position in the file.
func (v Value) Source() string { return cmp.Or(v.Option, v.Pos.String()) }

// Errorf returns an error about the value: an *Error for an option, a
// *yamldoc.Error for a position in the file. Fix says what to do instead.
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

// missing reports whether confctl.yaml mentions the value's part without the text
// that it needs.
func (v Value) missing() bool { return v.Text == "" && v.Pos.Line > 0 }

// ConnectionsPerAddress returns the largest number of open connections of a part
// from one address. The default is half of MaxConnections, so that no client can
// keep out the others.
func (c Serve) ConnectionsPerAddress() int { return cmp.Or(c.PerAddress, MaxConnections/2) }

// Override returns the settings, replaced by those of the command line where
// these are set.
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

// Check returns an error if the settings cannot be served: an *Error or a
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
		if a.Text == "" { // as from a template with an empty variable
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

// gatewayOff returns the error for a gateway setting without a gateway. The
// setting is an option; in the file, a gateway without an address is an error
// itself.
func gatewayOff(v Value, what string) error {
	return &Error{Reason: GatewayOff, Msg: v.Source() + ": " + what + " for the gateway, which is not switched on"}
}

// checkListen checks the address of a part, if it is switched on. The error's
// example uses port, unless the address contains a port.
func checkListen(part, port string, v Value) error {
	const example = `like 127.0.0.1:%s for this host only, or ":%s" for everybody`
	if v.missing() {
		return v.Errorf("", "%s has no listen, an address "+example, part, port, port)
	}
	host, asked, err := net.SplitHostPort(v.Text)
	if v.Text == "" || err == nil && isPort(asked) && !strings.ContainsAny(host, "/ ") {
		return nil
	}
	if alone := strings.Trim(v.Text, ":"); isPort(alone) {
		port = alone
	}
	return v.Errorf("", "%q is not an address to listen on; give one "+example, v.Text, port, port)
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == text
}

// sameListener reports whether listening on one address excludes the other.
// Either may be empty.
func sameListener(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	everybody := []string{"", "0.0.0.0", "::"}
	return hostA == hostB || slices.Contains(everybody, hostA) || slices.Contains(everybody, hostB)
}
