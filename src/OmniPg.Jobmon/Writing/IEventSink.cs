namespace OmniPg.Jobmon;

/// <summary>Takes the events of runs: the log of a server, a record in memory, or nothing at all. Everything above it is the same for all.</summary>
internal interface IEventSink : IAsyncDisposable, IDisposable
{
    /// <summary>Name of the place for messages; holds no secret.</summary>
    string Name { get; }

    /// <summary>What tells one log from another, so that an id means the same run in both; null where nothing is recorded.</summary>
    object? Log { get; }

    /// <summary>Whether a thread of its own writes progress and what had to wait; else it is written when somebody looks.</summary>
    bool InBackground { get; }

    /// <summary>Whether there is a place for log lines; null before the first contact.</summary>
    bool? TakesLines { get; }

    /// <summary>Takes a batch of events of one run, in order and as a whole; each has accepted its answer or knows its refusal then.</summary>
    /// <returns>What went wrong, so that the batch was not taken; null for nothing.</returns>
    ValueTask<(WriteFailure? Failure, Exception? Error)> SendAsync(bool async, List<LogEvent> events);

    /// <summary>Whether events would be taken again, after a failure.</summary>
    bool Probe();

    /// <summary>Turns what stopped a write into the exception that a caller sees.</summary>
    ValueTask<Exception> ExplainAsync(bool async, Exception error, string operation);
}
