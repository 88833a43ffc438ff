class_name FramehubAnswer
extends RefCounted
## What the hub will say to something that was asked of it.
##
## [codeblock]
## var answer: FramehubAnswer = await hub.subscribe([FramehubSub.all_of("player")]).wait()
## if answer.code != "":
##     print(answer.text)
## [/codeblock]

## Emitted once, when the answer is there.
signal done

## Whether the answer is there.
var finished: bool = false
## A version of the database that has what was asked for.
var version: int = 0
## Why it was refused, as a word of the protocol, such as "forbidden"; empty where it was not.
var code: String = ""
## The same in words for people.
var text: String = ""
## The names of the columns of [member rows].
var columns: PackedStringArray = []
## What a statement returned: an Array of values a row.
var rows: Array[Array] = []
## What was read.
var value: Variant = null


## One that is refused already.
static func refused(with_code: String, words: String) -> FramehubAnswer:
	var answer: FramehubAnswer = FramehubAnswer.new()
	answer.refuse(with_code, words)
	return answer


## Waits for the answer, and returns it: [code]await answer.wait()[/code].
func wait() -> FramehubAnswer:
	if not finished:
		await done
	return self


## The answer has come.
func finish(at_version: int) -> void:
	if finished:
		return
	version = at_version
	finished = true
	done.emit()


## The answer is that it was refused.
func refuse(with_code: String, words: String) -> void:
	if finished:
		return
	code = with_code
	text = words
	finished = true
	done.emit()
