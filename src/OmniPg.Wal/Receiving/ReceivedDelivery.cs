using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Hands complete files to the archiver behind the receiver, one after the other and again until they are delivered; what is delivered leaves the directory.</summary>
internal sealed class ReceivedDelivery(WalArchiver archiver, ReceivedFiles files, WalReceiverOptions options, ReceiveProgress progress, TimeProvider time, ILogger log) : IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.2);
    private readonly HashSet<WalFileName> _delivered = [];
    private readonly SemaphoreSlim _work = new(1, 1);

    /// <summary>Says that there may be something to do.</summary>
    public void Wake()
    {
        if (_work.CurrentCount == 0)
            _work.Release();
    }

    /// <summary>Begins the archives that are to be begun, and refuses those that should be there and are not.</summary>
    /// <exception cref="WalArchiveAbsentException">A destination is not begun, or not mounted.</exception>
    /// <exception cref="WalReceiveException">A destination is the directory itself.</exception>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        var here = await new DirectoryObjectStore(files.Path).IdentifyAsync(cancellationToken).ConfigureAwait(false);
        var bound = archiver.Destinations.Where(static d => d.IsBound).ToArray();
        if (options.Begin && bound.Length > 0)
            await archiver.BeginAsync(cancellationToken).ConfigureAwait(false);
        foreach (var destination in bound)
        {
            try
            {
                // By a link or a second mount: its copies would be the received files themselves, which leave the directory when they are delivered. Only Linux tells.
                if (OperatingSystem.IsLinux() && await destination.Store!.IdentifyAsync(cancellationToken).ConfigureAwait(false) == here)
                    throw WalReceiveException.Directory(files.Path, $"it is its own destination '{destination.Id}'", "Name another directory as destination.");
                if (await WalArchiveMarker.ReadAsync(destination.Store!, cancellationToken).ConfigureAwait(false) is null)
                    throw WalArchiveAbsentException.Nothing(destination.Store!.Id);
            }
            catch (Exception trouble) when (trouble is not (OperationCanceledException or WalException))
            {
                // It does not answer now; receiving must not wait for it.
                ReceiveLog.NotDelivered(log, default, 0, trouble.Message);
            }
        }
    }

    /// <summary>Runs until cancelled.</summary>
    /// <exception cref="WalException">A file can never be delivered.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var failures = 0;
        while (true)
        {
            var waiting = files.Complete().Where(name => !_delivered.Contains(name)).ToArray();
            progress.WaitingFiles = waiting.Length;
            if (waiting.Length == 0)
                await _work.WaitAsync(cancellationToken).ConfigureAwait(false);
            foreach (var name in waiting)
            {
                try
                {
                    await archiver.ArchiveAsync(files.PathOf(name), cancellationToken).ConfigureAwait(false);
                    (failures, progress.WaitingFiles) = (0, progress.WaitingFiles - 1);
                    Delivered(name);
                }
                catch (Exception trouble) when (trouble is WalException { IsTransient: true } or IOException or UnauthorizedAccessException)
                {
                    var pause = PauseAfter(failures++, options.LongestWait);
                    ReceiveLog.NotDelivered(log, name, pause.TotalSeconds, trouble.Message);
                    await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
                    break;
                }
            }
        }
    }

    public void Dispose() => _work.Dispose();

    // Its copies are durable and compared. The last one stays: it tells where the directory has arrived, and how the next one has to begin.
    private void Delivered(WalFileName name)
    {
        _delivered.Add(name);
        var last = files.Complete().LastOrDefault(static n => n.Kind == WalFileKind.Segment);
        foreach (var old in _delivered.Where(n => n.Kind == WalFileKind.Segment && n != last).ToArray())
        {
            File.Delete(files.PathOf(old));
            _delivered.Remove(old);
            ReceiveLog.Left(log, old);
        }
    }

    /// <summary>The pause before another try: 0.2 s, doubled each time, up to a longest one, with a fifth added by chance.</summary>
    public static TimeSpan PauseAfter(int failures, TimeSpan longest)
    {
        var pause = FirstPause * Math.Pow(2, Math.Min(failures, 20));
#pragma warning disable CA5394 // Chance spreads the load; nobody gains by guessing it.
        return (pause < longest ? pause : longest) * (1 + (Random.Shared.NextDouble() / 5));
#pragma warning restore CA5394
    }
}
