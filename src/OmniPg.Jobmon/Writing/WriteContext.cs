namespace OmniPg.Jobmon;

/// <summary>What every statement may need to know about this process and connection.</summary>
/// <param name="Clock">Server time of past moments.</param>
/// <param name="Texts">Cleans texts.</param>
/// <param name="SessionId">Identity of this process.</param>
/// <param name="ControlPid">Backend of the control session; null when there is none.</param>
internal sealed record WriteContext(ServerClock Clock, TextGuard Texts, Guid SessionId, Func<int?> ControlPid)
{
    public const string LateSuffix = " (recorded late)";

    /// <summary>Server time of an event that is not written as it happens; null lets the server take its own now.</summary>
    public DateTime? TimeOf(LogEvent e) => e.Late || e.Withheld ? Clock.At(e.Mark) : null;

    public string? Message(LogEvent e, string? message) =>
        Texts.Clean(e.Late ? string.Concat(message, message is null ? LateSuffix.AsSpan(1) : LateSuffix) : message);
}
