namespace OmniPg.Jobmon;

/// <summary>One captured line.</summary>
internal readonly record struct LogLine(StepRow? Step, long Mark, short Level, string? Category, string Message);
