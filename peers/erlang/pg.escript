#!/usr/bin/env escript
%%! -start_epmd false -kernel inet_dist_use_interface {127,0,0,1} logger_level emergency prevent_overlapping_partitions false
%% Erlang's process groups: an entry is a group of one process on the writer, its name has the key and the value; a member keeps what
%% it hears of the scope in a table of ETS. The words are those of `src/part.rs`.

main([Kind, Name]) ->
    ok = io:setopts([{binary, true}]),
    {ok, _} = net_kernel:start([list_to_atom(Name ++ "@127.0.0.1"), longnames]),
    true = erlang:set_cookie(node(), peers),
    case Name of
        "a" -> ok;
        _ -> true = net_kernel:connect_node('a@127.0.0.1')
    end,
    {ok, _} = pg:start_link(world),
    case Kind of
        "writer" -> writer();
        "member" -> member()
    end.

now_ns() -> erlang:system_time(nanosecond).

say(Term) -> io:format("~w~n", [Term]).

writer() ->
    Processes = ets:new(processes, [set]),
    say(ready),
    writer(Processes).

writer(Processes) ->
    case io:get_line("") of
        eof -> halt(0);
        Line ->
            [Verb, Prefix, From, Count] = binary:split(string:trim(Line), <<" ">>, [global]),
            First = binary_to_integer(From),
            Keys = [key(Prefix, Number) || Number <- lists:seq(First, First + binary_to_integer(Count) - 1)],
            say(now_ns()),
            case Verb of
                <<"put">> -> lists:foreach(fun(Key) -> put_entry(Processes, Key) end, Keys);
                <<"remove">> -> lists:foreach(fun(Key) -> remove_entry(Processes, Key) end, Keys)
            end,
            writer(Processes)
    end.

key(Prefix, Number) -> iolist_to_binary(io_lib:format("~s-~7..0b", [Prefix, Number])).

put_entry(Processes, Key) ->
    Process = spawn(fun() -> receive stop -> ok end end),
    Value = binary:copy(<<"0">>, 200 - byte_size(Key)),
    ok = pg:join(world, {Key, Value}, Process),
    true = ets:insert(Processes, {Key, Process}).

%% The group loses its process when that ends, as with a sensor whose connector is gone.
remove_entry(Processes, Key) ->
    [{Key, Process}] = ets:take(Processes, Key),
    Process ! stop.

member() ->
    Table = ets:new(world, [set]),
    {Monitor, Groups} = pg:monitor_scope(world),
    maps:foreach(fun({Key, Value}, _) -> ets:insert(Table, {Key, Value}) end, Groups),
    Member = self(),
    spawn(fun() -> orders(Member) end),
    say(ready),
    member(Monitor, Table, none).

orders(Member) ->
    case io:get_line("") of
        eof -> halt(0);
        Line ->
            [<<"count">>, Count] = binary:split(string:trim(Line), <<" ">>),
            Member ! {wanted, binary_to_integer(Count)},
            orders(Member)
    end.

member(Monitor, Table, Wanted) ->
    receive
        {wanted, Count} -> holds(Monitor, Table, Count);
        {Monitor, join, {<<"p-", _/binary>> = Key, Value}, _} ->
            ets:insert(Table, {Key, Value}),
            say(now_ns()),
            holds(Monitor, Table, Wanted);
        {Monitor, join, {Key, Value}, _} ->
            ets:insert(Table, {Key, Value}),
            holds(Monitor, Table, Wanted);
        {Monitor, leave, {Key, _}, _} ->
            ets:delete(Table, Key),
            holds(Monitor, Table, Wanted)
    end.

holds(Monitor, Table, Wanted) ->
    case ets:info(Table, size) of
        Wanted ->
            say(now_ns()),
            member(Monitor, Table, none);
        _ -> member(Monitor, Table, Wanted)
    end.
