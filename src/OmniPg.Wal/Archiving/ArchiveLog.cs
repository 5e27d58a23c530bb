using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Log messages of archiving; event ids 2000 to 2099. Two of them keep OmniPITR's words, because its monitor reads them.</summary>
internal sealed partial class ArchiveLog(ILogger logger)
{
    private readonly ILogger _logger = logger;

    public void Finished(string path, WalArchiveResult result)
    {
        foreach (var failure in result.Destinations.Where(static d => d.Error is not null))
        {
            if (failure.IsRequired)
                DestinationFailed(failure.Id, failure.Error!.Message);
            else
                OptionalFailed(failure.Id, failure.Error!.Message);
        }

        if (result.IsArchived)
            Sent(path);
    }

    [LoggerMessage(2000, LogLevel.Information, "Segment {Path} successfully sent to all destinations.")]
    public partial void Sent(string path);

    [LoggerMessage(2001, LogLevel.Information, "Segment {Path} already sent to {Destination}. Skipping.")]
    public partial void AlreadySent(string path, string destination);

    [LoggerMessage(2002, LogLevel.Warning, "{File} was present in {Destination} already, with equal content.")]
    public partial void AlreadyPresent(string file, string destination);

    [LoggerMessage(2003, LogLevel.Error, "Sending to {Destination} failed: {Reason}")]
    public partial void DestinationFailed(string destination, string reason);

    [LoggerMessage(2004, LogLevel.Warning, "Sending to optional {Destination} failed (ignored): {Reason}")]
    public partial void OptionalFailed(string destination, string reason);

    [LoggerMessage(2005, LogLevel.Warning, "The delivery state of {File} could not be read and was discarded.")]
    public partial void StateDiscarded(string file);

    [LoggerMessage(2006, LogLevel.Warning, "{File} is archived without validation.")]
    public partial void NotValidated(string file);

    [LoggerMessage(2007, LogLevel.Warning, "The delivery state of {File} could not be kept, so the next call compares what is stored: {Reason}")]
    public partial void StateNotKept(string file, string reason);

    [LoggerMessage(2008, LogLevel.Warning, "Abandoned temporary files could not be removed: {Reason}")]
    public partial void NotTidied(string reason);

    [LoggerMessage(2020, LogLevel.Warning, "{File} was written by a server that is newer than this package: it is archived with its header checked and nothing else. Update OmniPg.")]
    public partial void UnknownVersion(string file);

    [LoggerMessage(2021, LogLevel.Information, "The bytes of {File} up to {End} belong to a record that begins in a segment that is not here any more; they were not checked.")]
    public partial void NotWhollyChecked(string file, string end);

    [LoggerMessage(2022, LogLevel.Information, "{File} was in {Destination} before this run, with equal content.")]
    public partial void WasArchived(string file, string destination);
}
