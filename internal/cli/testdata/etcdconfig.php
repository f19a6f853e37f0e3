<?php
// Reads configuration with MediaWiki's own EtcdConfig, as a request to a wiki
// does, without a wiki:
//
//   php etcdconfig.php DIRECTORY
//
// DIRECTORY is where Debian's packages mediawiki and mediawiki-classes are
// unpacked. Each line of standard input is a request,
//
//   {"host": "127.0.0.1:4001", "directory": "/conftool/v1/mediawiki-config",
//    "names": ["common/WMFMasterDatacenter"], "cache": "a server"}
//
// and each line of standard output the answer to one: values and modifiedIndex,
// or error, and what EtcdConfig logged. Each request has a new EtcdConfig. Those
// with the same cache share it, as requests on one server do; what is in it is
// stale at once.

use Psr\Log\AbstractLogger;

define( 'MEDIAWIKI', true );
ini_set( 'display_errors', 'stderr' );
set_error_handler( static function ( $level, $message, $file, $line ) {
	if ( $level & ( E_DEPRECATED | E_USER_DEPRECATED ) ) {
		return false; // PHP is newer than this MediaWiki
	}
	throw new ErrorException( $message, 0, $level, $file, $line );
} );
if ( !extension_loaded( 'curl' ) || !extension_loaded( 'mbstring' ) ) {
	fwrite( STDERR, "needs php-curl and php-mbstring\n" );
	exit( 1 );
}
$mediawiki = $argv[1] . '/usr/share/mediawiki';
require "$mediawiki/includes/AutoLoader.php";
require "$mediawiki/vendor/autoload.php";

/** Remembers what is logged. */
class Remembered extends AbstractLogger {
	/** @var string[] */
	public $lines = [];

	public function log( $level, $message, array $context = [] ): void {
		if ( $level !== 'debug' ) {
			$this->lines[] = "$level: $message";
		}
	}
}

/**
 * What one request reads.
 *
 * @param array $request as above
 * @param BagOStuff $cache
 * @return array
 */
function answer( array $request, BagOStuff $cache ): array {
	$logger = new Remembered();
	$config = new EtcdConfig( [
		'host' => $request['host'],
		'directory' => $request['directory'],
		'cache' => $cache,
		'cacheTTL' => 0,
		'skewTTL' => 0,
		'timeout' => 1,
	] );
	$config->setLogger( $logger );
	$values = [];
	try {
		foreach ( $request['names'] as $name ) {
			$values[$name] = $config->get( $name );
		}
		return [
			'values' => (object)$values,
			'modifiedIndex' => $config->getModifiedIndex(),
			'log' => $logger->lines,
		];
	} catch ( ConfigException $e ) {
		return [ 'error' => $e->getMessage(), 'log' => $logger->lines ];
	}
}

$caches = [];
while ( ( $line = fgets( STDIN ) ) !== false ) {
	$request = json_decode( $line, true, 512, JSON_THROW_ON_ERROR );
	$caches[$request['cache']] ??= new HashBagOStuff();
	$reply = answer( $request, $caches[$request['cache']] );
	echo json_encode( $reply, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES ), "\n";
}
