namespace OmniPg.Wal;

/// <summary>One destination could not take a file, or could not take it in time. The others are not affected; the same call may succeed later.</summary>
public sealed class WalDestinationException : WalException
{
    private WalDestinationException(string code, string destination, string file, string message, string hint, Exception? inner = null)
        : base(code, message, hint, inner)
    {
        Destination = destination;
        File = file;
    }

    /// <summary>Always: storage comes back.</summary>
    public override bool IsTransient => true;

    internal static WalDestinationException Failed(string destination, string file, Exception inner) => new(
        "wal.destination.failed",
        destination,
        file,
        $"Destination '{destination}' did not take '{file}': {inner.Message}",
        "The next call sends the file only to the destinations that do not hold it yet.",
        inner);

    internal static WalDestinationException TimedOut(string destination, string file, TimeSpan limit) => new(
        "wal.destination.timeout",
        destination,
        file,
        $"Destination '{destination}' did not take '{file}' within '{limit.TotalSeconds:0.###} s'.",
        "Check the destination, or allow it more time.");

    internal static WalDestinationException TooSlow(string destination, string file, TimeSpan grace) => new(
        "wal.destination.too-slow",
        destination,
        file,
        $"Optional destination '{destination}' made no progress with '{file}' for '{grace.TotalSeconds:0.###} s' and was left behind.",
        "Check the destination; the required ones were not held up.");
}
