namespace OmniPg.Jobmon;

/// <summary>What every statement may need to know about this process and connection.</summary>
/// <param name="Clock">Server time of past moments.</param>
/// <param name="Texts">Cleans texts.</param>
/// <param name="SessionId">Identity of this process.</param>
/// <param name="ControlPid">Backend of the control session; null when there is none.</param>
internal sealed record WriteContext(ServerClock Clock, TextGuard Texts, Guid SessionId, Func<int?> ControlPid);
