using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace OmniPg.Wal;

/// <summary>
/// The resident mode: looks ahead over what PostgreSQL has made ready, archives several files side by side, and answers the
/// <c>archive_command</c> from what is done already.
/// </summary>
public static class WalResident
{
    private const int FilesPerLook = 256;

    /// <summary>Runs until cancelled. Not more than one process may use a spool directory.</summary>
    /// <param name="archiver">Archives the files; stays the caller's.</param>
    /// <param name="options">Spool, socket and parallelism.</param>
    /// <param name="cancellationToken">Stops: no file is begun any more, those under way get <see cref="WalResidentOptions.StopGrace"/>, then the enumeration ends.</param>
    /// <returns>What happens. A consumer that does not read holds the work up.</returns>
    /// <exception cref="WalConfigurationException">The options cannot work.</exception>
    /// <exception cref="WalLockedException">Another process uses the spool directory.</exception>
    public static async IAsyncEnumerable<ArchiveEvent> RunResidentAsync(
        this WalArchiver archiver, WalResidentOptions options, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archiver);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var events = Channel.CreateBounded<ArchiveEvent>(new BoundedChannelOptions(FilesPerLook) { SingleReader = true });
        using var abandoned = new CancellationTokenSource();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, abandoned.Token);
        archiver.Setup.IsLookingAhead = true;
        var loop = new ResidentLoop(archiver, options, events.Writer);
        var running = Task.Run(() => loop.RunAsync(stop.Token), CancellationToken.None);
        try
        {
            await foreach (var happened in events.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return happened;
        }
        finally
        {
            // A consumer that stops reading ends the mode as well; what is still reported goes nowhere.
            await abandoned.CancelAsync().ConfigureAwait(false);
            await foreach (var _ in events.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
            }

            await running.ConfigureAwait(false);
        }
    }
}
