using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Log messages of the resident mode; event ids 2050 to 2069.</summary>
internal sealed partial class ResidentLog(ILogger logger)
{
    private readonly ILogger _logger = logger;

    public void Write(ArchiveEvent happened)
    {
        switch (happened)
        {
            case { Kind: ArchiveEventKind.Archived, File: { } file, Result: { } result }:
                Archived(file.ToString(), result.Elapsed.TotalSeconds, happened.Backlog);
                break;
            case { Kind: ArchiveEventKind.Failed, File: { } file, Error: { } error }:
                Failed(file.ToString(), error.Message);
                break;
            default:
                Backlog(happened.Backlog);
                break;
        }
    }

    [LoggerMessage(2050, LogLevel.Debug, "Archived {File} in {Seconds:0.000} s, {Backlog} wait.")]
    private partial void Archived(string file, double seconds, int backlog);

    [LoggerMessage(2051, LogLevel.Error, "Archiving {File} failed and will be tried again: {Reason}")]
    private partial void Failed(string file, string reason);

    [LoggerMessage(2052, LogLevel.Debug, "{Backlog} files wait to be archived.")]
    private partial void Backlog(int backlog);
}
