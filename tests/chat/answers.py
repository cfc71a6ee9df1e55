"""Answers as models write them, mistakes included, and their expected parse."""

from dataclasses import dataclass

from g4run.chat import tokens
from g4run.chat.messages import JsonValue, ToolCall
from g4run.chat.parse import EndReason


@dataclass(frozen=True, slots=True)
class Case:
    """A model's output and its expected parse."""

    name: str
    written: str
    text: str = ""
    thinking: str = ""
    calls: tuple[ToolCall, ...] = ()
    reason: EndReason = EndReason.INPUT
    opens_thought: bool = False
    is_truncated: bool = False


def call(name: str, **arguments: JsonValue) -> ToolCall:
    return ToolCall(name, arguments)


def called(inside: str) -> str:
    """Return a text between call tags; `~` stands for the quote token."""
    return f"<|tool_call>{inside.replace('~', tokens.QUOTE)}<tool_call|>"


PARIS = call("get_weather", city="Paris")
TURN, TOOL_RESPONSE = EndReason.TURN, EndReason.TOOL_RESPONSE
CASES = (
    Case("nothing", ""),
    Case("text", "Hello!", "Hello!"),
    Case("markup", "if a <b> or <|x|> or x <", "if a <b> or <|x|> or x <"),
    Case("space_around", " \n Hello \n", "Hello \n"),
    Case("space_only", " \n\t "),
    Case("turn_closed", "Hello!<turn|>\n<|turn>user\nMore", "Hello!", reason=TURN),
    Case("turn_opened", "Hello!\n<|turn>user\nMore", "Hello!\n", reason=TURN),
    Case("turn_repeated", "<|turn>model\nHello!", "Hello!"),
    Case("turn_repeated_with_thought", "\n<|turn>model\n<|channel>thought\nHm.\n<channel|>Hello!", "Hello!", "Hm."),
    Case("turn_of_the_user", "<|turn>user\nHello!", reason=TURN),
    Case("turn_without_name", "<|turn>", ""),
    Case("response_opened", "Hello!<|tool_response>response:f{}", "Hello!", reason=TOOL_RESPONSE),
    Case("quote_in_text", 'a <|"|> b', 'a <|"|> b'),
    Case("beginning_of_a_tag", "a <|channel", "a <|channel"),
    Case("beginnings_of_tags", "<<|<|turn<turn|<|channe>", "<<|<|turn<turn|<|channe>"),
    # thoughts
    Case("thought", "<|channel>thought\nHm.\n<channel|>Yes.", "Yes.", "Hm."),
    Case("thought_of_lines", "<|channel>thought\n\na\n\nb\n\n<channel|>Yes.", "Yes.", "\na\n\nb\n"),
    Case("thought_without_newline", "<|channel>thought\nHm.<channel|>\n\nYes.", "Yes.", "Hm."),
    Case("thought_empty", "<|channel>thought\n<channel|>Yes.", "Yes."),
    Case("thought_blank", "<|channel>thought\n\n<channel|>Yes.", "Yes."),
    Case("thought_without_line", "<|channel>thought<channel|>Yes.", "Yes."),
    Case("thought_unnamed", "<|channel>\nHm.\n<channel|>Yes.", "Yes.", "Hm."),
    Case("channels_empty", "<|channel><channel|><|channel><channel|>Yes.", "Yes."),
    Case("channel_opened_twice", "<|channel><|channel>thought\nHm.<channel|>Yes.", "Yes.", "Hm."),
    Case("thought_unclosed", "<|channel>thought\nHm.\n", "", "Hm."),
    Case("thought_cut", "<|channel>thought\nHm", "", "Hm", is_truncated=True),
    Case("thought_name_cut", "<|channel>thou", "", "thou"),
    Case("thought_ended_by_turn", "<|channel>thought\nHm.\n<turn|>", "", "Hm.", reason=TURN),
    Case("thought_ended_by_call", "<|channel>thought\nHm.\n" + called("call:f{}"), "", "Hm.", (call("f"),)),
    Case("thoughts", "<|channel>thought\na\n<channel|><|channel>thought\nb\n<channel|>Yes.", "Yes.", "a\nb"),
    Case("thoughts_nested", "<|channel>thought\na\n<|channel>thought\nb<channel|>Yes.<channel|>", "Yes.", "a\nb"),
    Case("thought_after_text", "Wait.\n<|channel>thought\nHm.<channel|>\nYes.", "Wait.\n\nYes.", "Hm."),
    Case("thought_on_the_name's_line", "<|channel>thought I do.<channel|>Yes.", "Yes.", "thought I do."),
    Case("thought_that_begins_like_the_name", "<|channel>thoughtful\nx<channel|>Yes.", "Yes.", "thoughtful\nx"),
    Case("thought_named_otherwise", "<|channel>Analysis\nHm.<channel|>Yes.", "Yes.", "Hm."),
    Case("channel_of_the_answer", "<|channel>thought\nHm.<channel|><|channel>final\nYes.<channel|>", "Yes.", "Hm."),
    Case("channel_of_the_answer_on_one_line", "<|channel>final answer: 5<channel|>Yes.", "Yes.", "final answer: 5"),
    Case("channel_unknown", "<|channel>plan\na\n<channel|>Yes.", "Yes.", "plan\na"),
    Case("thought_opened_by_prompt", "Hm.\n<channel|>Yes.", "Yes.", "Hm.", opens_thought=True),
    Case(
        "thought_opened_by_prompt_and_model", "<|channel>thought\nHm.<channel|>Yes.", "Yes.", "Hm.", opens_thought=True
    ),
    Case("thought_opened_by_prompt_only", "Hm.", "", "Hm.", opens_thought=True),
    # surplus tags
    Case("surplus_channel_close", "<channel|>a<channel|>b<channel|>", "ab"),
    Case("surplus_call_close", "a<tool_call|>b<tool_call|>", "ab"),
    Case("surplus_response_close", "<tool_response|>Yes.", "Yes."),
    Case("surplus_call_close_in_thought", "<|channel>thought\na<tool_call|>b<channel|>c", "c", "ab"),
    # calls
    Case("call", called("call:get_weather{city:~Paris~}"), "", "", (PARIS,)),
    Case("call_after_text", "Let me see.\n" + called("call:f{}"), "Let me see.\n", "", (call("f"),)),
    Case("call_after_thought", "<|channel>thought\nHm.\n<channel|>" + called("call:f{}"), "", "Hm.", (call("f"),)),
    Case("call_then_text", called("call:f{}") + "\nDone.", "Done.", "", (call("f"),)),
    Case("text_call_text", "a" + called("call:f{}") + "\nb", "a\nb", "", (call("f"),)),
    Case(
        "text_calls_text",
        "a" + called("call:f{}") + "\n\n" + called("call:f{}") + "\nb",
        "a\nb",
        "",
        (call("f"), call("f")),
    ),
    Case("call_then_response", called("call:f{}") + "<|tool_response>x", calls=(call("f"),), reason=TOOL_RESPONSE),
    Case("call_then_turn", called("call:f{}") + "<turn|>", calls=(call("f"),), reason=TURN),
    Case("calls", called("call:f{a:1}") + "\n" + called("call:f{a:1}"), calls=(call("f", a=1), call("f", a=1))),
    Case("calls_between_one_pair", called("call:f{a:1}\ncall:g{}"), calls=(call("f", a=1), call("g"))),
    Case(
        "call_values",
        called("call:f{s:~a~,e:~~,i:-1,r:2.5,x:1e+20,t:true,f:false,n:null,l:[1,[~a~,{}],[]],o:{b:{c:~d~}}}"),
        calls=(
            call(
                "f",
                s="a",
                e="",
                i=-1,
                r=2.5,
                x=1e20,
                t=True,
                f=False,
                n=None,
                l=[1, ["a", {}], []],
                o={"b": {"c": "d"}},
            ),
        ),
    ),
    Case("call_string_of_anything", called('call:f{a:~{[,:"\\n\n~}'), calls=(call("f", a='{[,:"\\n\n'),)),
    Case("call_string_of_tags", called("call:f{a:~<tool_call|><turn|>~}"), calls=(call("f", a="<tool_call|><turn|>"),)),
    Case("call_keys", called("call:f{a-b:1,c.d:2,e f:3}"), calls=(ToolCall("f", {"a-b": 1, "c.d": 2, "e f": 3}),)),
    Case("call_keys_quoted", called("call:f{~a~:1,\"b\":2,'c':3}"), calls=(call("f", a=1, b=2, c=3),)),
    Case("call_name_of_signs", called("call:mcp.a-b/c:d{}"), calls=(call("mcp.a-b/c:d"),)),
    Case("call_name_quoted", called("call:~f~{a:1}"), calls=(call("f", a=1),)),
    Case("call_with_space", called(" call: f { a : 1 ,\n b : ~x~ } "), calls=(call("f", a=1, b="x"),)),
    Case("call_without_call", called("f{a:1}"), calls=(call("f", a=1),)),
    Case(
        "call_in_json",
        called('call:f{"a": "x \\"y\\" \\u00e9\\n", "b": [1, null]}'),
        calls=(call("f", a='x "y" é\n', b=[1, None]),),
    ),
    Case("call_all_json", called('{"name": "f", "arguments": {"a": 1}}'), calls=(call("f", a=1),)),
    Case(
        "call_all_json_text",
        called('{"function": {"name": "f", "arguments": "{\\"a\\": 1}"}}'),
        calls=(call("f", a=1),),
    ),
    Case("call_all_json_args", called('{"id": "1", "name": "f", "args": {"a": 1}}'), calls=(call("f", a=1),)),
    Case("call_all_json_flat", called('{"name": "f", "a": 1}'), '<|tool_call>{"name": "f", "a": 1}<tool_call|>'),
    Case(
        "call_all_json_with_more",
        called('{"function": {"name": "f"}, "arguments": {"a": 1}}'),
        '<|tool_call>{"function": {"name": "f"}, "arguments": {"a": 1}}<tool_call|>',
    ),
    Case(
        "call_arguments_as_string_and_more",
        called('call:f{~{"a": 1} x~}'),
        '<|tool_call>call:f{<|"|>{"a": 1} x<|"|>}<tool_call|>',
    ),
    Case("call_arguments_as_string_with_surplus", called('call:f{~{"a": 1}} ~}'), calls=(call("f", a=1),)),
    Case("call_all_json_fenced", called("```json\n{}\n```"), "<|tool_call>```json\n{}\n```<tool_call|>"),
    Case(
        "calls_all_json",
        called('{"name": "f", "arguments": {}}\n{"name": "g", "arguments": null}'),
        calls=(call("f"), call("g")),
    ),
    Case("call_arguments_as_string", called('call:f{~{"a": 1}~}'), calls=(call("f", a=1),)),
    Case("call_arguments_as_json_string", called('call:f{"{\\"a\\": 1}"}'), calls=(call("f", a=1),)),
    Case("call_arguments_as_bare_string", called('call:f"{\\"a\\": 1}"'), calls=(call("f", a=1),)),
    Case(
        "call_arguments_as_string_before_words", called('call:f~{"a": 1}~ I said.'), "I said.", calls=(call("f", a=1),)
    ),
    Case("call_arguments_twice_braced", called('call:f{{"a": 1}}'), calls=(call("f", a=1),)),
    Case("call_without_arguments", called("call:f"), calls=(call("f"),)),
    Case("call_without_braces", called("call:f a:1, b:~x~"), calls=(call("f", a=1, b="x"),)),
    Case("call_without_closing_brace", called("call:f{a:{b:1"), calls=(call("f", a={"b": 1}),)),
    Case("call_with_surplus_brace", called("call:f{a:1}}]"), calls=(call("f", a=1),)),
    Case("call_with_wrong_bracket", called("call:f{a:[1,2}"), calls=(call("f", a=[1, 2]),)),
    Case("call_that_goes_on", called("call:f{a:[1,2},b:3]}"), "<|tool_call>call:f{a:[1,2},b:3]}<tool_call|>"),
    Case("calls_without_space", called("call:f{}call:g{}"), calls=(call("f"), call("g"))),
    Case("calls_with_comma", called("call:f{},call:g{}"), calls=(call("f"), call("g"))),
    Case("call_with_surplus_commas", called("call:f{,a:[1,,2,],,}"), calls=(call("f", a=[1, 2]),)),
    Case(
        "call_of_words",
        called("call:f{a:Paris, France,b:new york,c:}"),
        calls=(call("f", a="Paris, France", b="new york", c=None),),
    ),
    Case(
        "call_of_words_and_address",
        called("call:f{a:x, see https://x.org}"),
        calls=(call("f", a="x, see https://x.org"),),
    ),
    Case(
        "call_list_of_words",
        called("call:f{a:[Paris, New York],b:1}"),
        calls=(call("f", a=["Paris", "New York"], b=1),),
    ),
    Case("call_name_with_colon", called("call:f:{a:1}"), calls=(call("f", a=1),)),
    Case("call_with_stray_bracket", called("call:f{a:{b:1],c:2}}"), calls=(call("f", a={"b": 1, "c": 2}),)),
    Case("call_of_an_address", called("call:f{a:https://x.org/y}"), calls=(call("f", a="https://x.org/y"),)),
    Case("call_string_of_quotes", called('call:f{a:"print("x")"}'), calls=(call("f", a='print("x")'),)),
    Case(
        "call_string_of_speech",
        called('call:f{a:"He said "no", then left",b:1}'),
        calls=(call("f", a='He said "no", then left', b=1),),
    ),
    Case("call_list_of_strings", called('call:f{a:["b", 5, "c"],d:1}'), calls=(call("f", a=["b", 5, "c"], d=1),)),
    Case("call_string_of_pattern", called(r"call:f{a:'\b\d+\b',b:1}"), calls=(call("f", a=r"\b\d+\b", b=1),)),
    Case(
        "call_string_of_path",
        called(r'call:f{a:"C:\users\bob\file.txt"}'),
        calls=(call("f", a=r"C:\users\bob\file.txt"),),
    ),
    Case(
        "call_of_leading_zeros",
        called("call:f{a:02134,b:0,c:-0.5,d:0x1F}"),
        calls=(call("f", a="02134", b=0, c=-0.5, d="0x1F"),),
    ),
    Case("call_of_other_digits", called("call:f{a:\u0663}"), calls=(call("f", a="\u0663"),)),
    Case("call_quote_unclosed", called("call:f{a:{b:~x}}"), calls=(call("f", a={"b": "x"}),)),
    Case("call_quote_surplus", called("call:f{a:'x'~,b:~y~}"), calls=(call("f", a="x", b="y"),)),
    Case("call_quote_surplus_at_end", called("call:f{a:~*.py~,b:':\\s*'~}"), calls=(call("f", a="*.py", b=":\\s*"),)),
    Case("call_quote_twice_closed", called("call:f{a:~x~~,b:~y~}"), calls=(call("f", a="x", b="y"),)),
    Case("call_quote_unopened", called("call:f{a:x~,b:1}"), calls=(call("f", a="x", b=1),)),
    Case(
        "call_quote_unclosed_before_another",
        called("call:f{a:~x}") + called("call:g{b:~y~}") + "Done.",
        "Done.",
        calls=(call("f", a="x"), call("g", b="y")),
    ),
    Case("call_of_braces_without_quotes", called("call:f{a:x{y}z}"), "<|tool_call>call:f{a:x{y}z}<tool_call|>"),
    Case("call_followed_by_arguments", called("call:f{}{a:1}"), "<|tool_call>call:f{}{a:1}<tool_call|>"),
    Case("call_followed_by_brackets", called("call:f{a:1} x[1] {so}"), "x[1] {so}", calls=(call("f", a=1),)),
    Case("call_followed_by_quote", called('call:f{a:"x"}"}'), '"}', calls=(call("f", a="x"),)),
    Case("call_followed_by_words", called("call:f{a:1} I said."), "I said.", calls=(call("f", a=1),)),
    Case("call_tag_missing", "<|tool_call>call:f{a:1}", calls=(call("f", a=1),)),
    Case(
        "call_tag_missing_before_call",
        "<|tool_call>call:f{a:1}" + called("call:g{}"),
        calls=(call("f", a=1), call("g")),
    ),
    Case("call_tag_missing_before_turn", "<|tool_call>call:f{a:1}<turn|>x", calls=(call("f", a=1),), reason=TURN),
    Case("call_tag_missing_before_thought", "<|tool_call>call:f{}<|channel>thought\nHm.", "", "Hm.", (call("f"),)),
    Case("call_opened_twice", "<|tool_call>" + called("call:f{}"), calls=(call("f"),)),
    Case("call_in_response_tag", "<|tool_call>call:f{}<tool_response|><tool_call|>", calls=(call("f"),)),
    Case("call_of_nothing", called("") + "Yes.", "Yes."),
    Case("call_of_prose", "a" + called("I will call it."), "a<|tool_call>I will call it.<tool_call|>"),
    Case("call_of_prose_before_turn", "<|tool_call>I will.<turn|>", "<|tool_call>I will.", reason=TURN),
    Case("call_without_key", called("call:f{Paris}"), "<|tool_call>call:f{Paris}<tool_call|>"),
    Case("call_of_a_list", called("call:f[1]"), "<|tool_call>call:f[1]<tool_call|>"),
    Case("call_nested_too_deep", called("call:f{a:" + "[" * 99), "<|tool_call>call:f{a:" + "[" * 99 + "<tool_call|>"),
    Case("call_unfinished", '<|tool_call>call:f{a:<|"|>x', calls=(call("f", a="x"),)),
    Case("call_cut_in_string", '<|tool_call>call:f{a:<|"|>x', '<|tool_call>call:f{a:<|"|>x', is_truncated=True),
    Case("call_cut_in_braces", "<|tool_call>call:f{a:1", "<|tool_call>call:f{a:1", is_truncated=True),
    Case(
        "call_cut_in_string_of_a_call",
        '<|tool_call>call:f{a:<|"|>see <|tool_call>call:g{}<tool_call|>',
        '<|tool_call>call:f{a:<|"|>see <|tool_call>call:g{}<tool_call|>',
        is_truncated=True,
    ),
    Case("call_cut_in_name", "<|tool_call>call:f", "<|tool_call>call:f", is_truncated=True),
    Case("call_cut_behind_name", "<|tool_call>call:f\n", "<|tool_call>call:f\n", is_truncated=True),
    Case(
        "call_cut_behind_braces", "<|tool_call>call:f{a:1}<tool_c", "<tool_c", "", (call("f", a=1),), is_truncated=True
    ),
)
