namespace OmniPg.Jobmon.Testing;

/// <summary>Refusal of what only a server can answer.</summary>
internal static class Unsupported
{
    public static NotSupportedException For(string member, string instead) =>
        new($"RecordingJobmon has no server to answer '{member}': {instead}.");
}
