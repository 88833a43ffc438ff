class_name FramehubLink
extends RefCounted
## The connection: one WebSocket at a time, and when to try again. It knows nothing of what messages mean.

## Emitted when there is a connection, to which nothing has been said.
signal opened
## Emitted when a session, or the try of one, is over. [param retry_in] says in how many seconds the next
## try is made; -1: there is none.
signal lost(code: int, reason: String, retry_in: float)

## [enum State.WAITING]: there is no connection, the next try comes. [enum State.ENDED]: there will be none.
enum State { IDLE, CONNECTING, OPEN, LIVE, WAITING, ENDED }

## The subprotocol that is asked for.
const PROTOCOL: String = "framehub.v1.cbor"
## Seconds before the second try, doubled with each further one; chance takes up to half off.
const FIRST_WAIT: float = 0.25
## So many seconds before the next try at most.
const LONGEST_WAIT: float = 10.0
## So many seconds at least and at most, whatever a goodbye asks for.
const LEAST_RETRY: float = 0.1
const MOST_RETRY: float = 3600.0  ## See [constant LEAST_RETRY].
## How long a hub may take to answer the hello, in seconds.
const HELLO_WITHIN: float = 10.0
## A hub that has said nothing for so many seconds is taken for lost: it says something every second.
const SILENT_AFTER: float = 10.0
## A session that lasted so many seconds was a good one: the next tries begin anew.
const STABLE_AFTER: float = 5.0
## How long a connection that is being closed is looked after, in seconds.
const LEAVE_WITHIN: float = 1.0
## So many seconds between two polls: then the game stood still, and not the hub.
const STALL: float = 1.0

## Code of the end: the token is missing, wrong or over. Not tried again.
const UNAUTHORIZED: int = 4001
## Code of the end: this user may not do that. Not tried again.
const FORBIDDEN: int = 4003
## Code of the end: the same device has connected elsewhere. Not tried again.
const REPLACED: int = 4009
## Code of the end: an operator has ended it. Tried again only where the hub says when.
const KICKED: int = 4010

const _MOST_BUFFER: int = 1 << 28  # bytes, whatever a hub says

## How far the connection is.
var state: State = State.IDLE
## The largest message that is taken, in bytes.
var max_message: int = 1 << 20
## TLS for wss addresses; null: the machine's certificates.
var tls: TLSOptions = null

## Bytes of messages that have come, in all sessions.
var bytes_in: int = 0
## Bytes of messages that were sent.
var bytes_out: int = 0
## Messages that have come.
var messages_in: int = 0
## Messages that were sent.
var messages_out: int = 0

var _url: String = ""
var _socket: WebSocketPeer = null
var _leaving: Array[WebSocketPeer] = []  # are being closed: what was said last is still on its way
var _leaving_until: float = 0.0
var _queue: Array[PackedByteArray] = []  # what the socket's buffer has no room for
var _tries: int = 0  # without success
var _deadline: float = 0.0  # of what the state waits for
var _heard: float = 0.0
var _live_since: float = 0.0
var _polled: float = 0.0


static func _now() -> float:
	return Time.get_ticks_usec() / 1e6


## Connects now, also where it waits before the next try.
func start(url: String) -> void:
	_url = url
	if state in [State.IDLE, State.WAITING, State.ENDED]:
		_polled = _now()  # the game did not stand still before: there was nothing to poll
		_connect()


func _connect() -> void:
	_socket = WebSocketPeer.new()
	_socket.supported_protocols = [PROTOCOL]
	# A message larger than the buffer ends the connection; frames that come in one burst should fit, too.
	_socket.inbound_buffer_size = maxi(2 * max_message, 1 << 17)
	_socket.outbound_buffer_size = maxi(2 * max_message, 1 << 17)
	_socket.max_queued_packets = 1 << 14
	_queue.clear()
	_heard = _now()
	_deadline = _heard + HELLO_WITHIN
	state = State.CONNECTING
	if _socket.connect_to_url(_url, tls) != OK:
		lose(0, "%s is no address of a hub" % _url)


## Looks what has happened since the last call. [method next] then has the messages.
func poll() -> void:
	var now: float = _now()
	if now - _polled > STALL:
		_heard = maxf(_heard, now - STALL)  # what the hub said meanwhile has not been read
		_deadline += now - _polled if state == State.CONNECTING or state == State.OPEN else 0.0
	_polled = now
	if not _leaving.is_empty():
		_see_off(now)
	if state == State.WAITING and now >= _deadline:
		_connect()
	if _socket == null:
		return
	_socket.poll()
	match _socket.get_ready_state():
		WebSocketPeer.STATE_OPEN:
			if state == State.CONNECTING:
				state = State.OPEN
				opened.emit()
			if not _queue.is_empty():
				_drain()
		WebSocketPeer.STATE_CLOSED:
			if _socket.get_available_packet_count() == 0:
				var code: int = maxi(_socket.get_close_code(), 0)
				var reason: String = _socket.get_close_reason()
				lose(code, reason if not reason.is_empty() else _unreached())
				return
	_look_at_the_clock(now)


func _unreached() -> String:
	return "the connection was lost" if state == State.LIVE else "the hub can't be reached"


func _look_at_the_clock(now: float) -> void:
	if state == State.LIVE and now - _heard > SILENT_AFTER:
		lose(0, "the hub has not been heard for a while")
	elif (state == State.CONNECTING or state == State.OPEN) and now > _deadline:
		lose(0, "the hub does not answer")


## The next message; empty where none is there.
func next() -> PackedByteArray:
	if _socket == null or _socket.get_available_packet_count() == 0:
		return PackedByteArray()
	var packet: PackedByteArray = _socket.get_packet()
	_heard = _now()
	messages_in += 1
	bytes_in += packet.size()
	if _socket.was_string_packet() or packet.is_empty():
		fail("messages are binary, this one was text or empty")
		return PackedByteArray()
	return packet


## The hub has answered the hello, and takes messages of so many bytes; 0: it has not told.
func greeted(most: int) -> void:
	_socket.outbound_buffer_size = maxi(_socket.outbound_buffer_size, mini(2 * most, _MOST_BUFFER))
	state = State.LIVE
	_live_since = _now()


## Sends a message, or keeps it until the socket has room. Without a connection it is lost.
func send(message: PackedByteArray) -> void:
	if _socket == null or message.is_empty():
		return
	if not _queue.is_empty() or not _say(message):
		_queue.append(message)


# Whether the socket has taken a message.
func _say(message: PackedByteArray) -> bool:
	if _socket.get_ready_state() != WebSocketPeer.STATE_OPEN:
		return false
	# A message that never fits goes alone, and the socket says what it makes of it.
	var waiting: int = _socket.get_current_outbound_buffered_amount()
	if waiting > 0 and waiting + message.size() + 64 > _socket.outbound_buffer_size:
		return false
	if _socket.send(message) != OK:
		return false
	messages_out += 1
	bytes_out += message.size()
	return true


func _drain() -> void:
	var sent: int = 0
	while sent < _queue.size() and _say(_queue[sent]):
		sent += 1
	_queue = _queue.slice(sent)


## How many bytes wait to be sent.
func backlog() -> int:
	var bytes: int = 0
	for message: PackedByteArray in _queue:
		bytes += message.size()
	return bytes + (_socket.get_current_outbound_buffered_amount() if _socket != null else 0)


## The hub broke the protocol, or this client can't read it: says so, and begins anew.
func fail(words: String) -> void:
	send(FramehubRequest.goodbye(4000, words))
	lose(0, "the hub sent what this client can't read: %s" % words)


## Leaves for good.
func leave(words: String) -> void:
	if state == State.ENDED or state == State.IDLE:
		state = State.ENDED
		return
	send(FramehubRequest.goodbye(1000, words))
	_drop(1000)
	state = State.ENDED
	lost.emit(1000, words, -1.0)


## The session is over; what comes next is decided here. [param retry] is how many seconds the hub asked
## for, or -1.
func lose(code: int, reason: String, retry: float = -1.0) -> void:
	var was_live: bool = state == State.LIVE
	_drop(1000)
	if code in [UNAUTHORIZED, FORBIDDEN, REPLACED] or (code == KICKED and retry < 0.0):
		state = State.ENDED
		lost.emit(code, reason, -1.0)
		return
	if was_live and _now() - _live_since > STABLE_AFTER:
		_tries = 0
	var pause: float = _pause(retry)
	_tries += 1
	_deadline = _now() + pause
	state = State.WAITING
	lost.emit(code, reason, pause)


# All devices lose a hub that stops in one moment; chance keeps them from coming back in one.
func _pause(retry: float) -> float:
	if retry >= 0.0:
		return clampf(retry, LEAST_RETRY, MOST_RETRY) * (1.0 + randf() / 4.0)
	return minf(LONGEST_WAIT, FIRST_WAIT * pow(2.0, mini(_tries, 16))) * (0.5 + randf() / 2.0)


# Closes the socket; whatever comes of it any more is not looked at.
func _drop(code: int) -> void:
	if _socket != null and _socket.get_ready_state() != WebSocketPeer.STATE_CLOSED:
		_socket.close(code)
		_leaving.append(_socket)
		_leaving_until = _now() + LEAVE_WITHIN
	_socket = null
	_queue.clear()
	_see_off(_now())


func _see_off(now: float) -> void:
	var rest: Array[WebSocketPeer] = []
	for socket: WebSocketPeer in _leaving:
		socket.poll()
		if socket.get_ready_state() != WebSocketPeer.STATE_CLOSED and now < _leaving_until:
			rest.append(socket)
	_leaving = rest


## Waits until the hub has heard what was said last, for a moment at most: nobody polls any more afterwards.
func see_off() -> void:
	for i: int in 20:
		if _leaving.is_empty():
			return
		OS.delay_msec(5)
		_see_off(_now())
