using System.Threading.Channels;

namespace OmniPg.Cli;

/// <summary><c>jobmon top</c> live: draws again at each reading and each change of the window, until the reader leaves.</summary>
/// <param name="host">The terminal.</param>
/// <param name="server">The database, for the title.</param>
/// <param name="feed">Where the readings come from.</param>
internal sealed class TopScreen(CliHost host, string server, TopFeed feed)
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);

    private readonly Channel<TopNews> _news = Channel.CreateUnbounded<TopNews>();
    private TopSnapshot? _snapshot;
    private string? _trouble;

    /// <param name="first">The first reading.</param>
    /// <param name="interrupted">Fires at Ctrl-C and other signals that end the program.</param>
    public async Task RunAsync(TopSnapshot first, CancellationToken interrupted)
    {
        _snapshot = first;
        host.OnKey(key =>
        {
            if (key is 'q' or 'Q' or '\e')
                _news.Writer.TryWrite(TopNews.Leave);
        });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(interrupted);
        using var screen = new FullScreen(host.Out, () => _news.Writer.TryWrite(TopNews.Redraw));
        // When the feed ends, by cancellation or by an error that is not the server's, so does the stream of news.
        var reading = feed.RunAsync(_news.Writer, stop.Token).ContinueWith(
            task => _news.Writer.TryComplete(task.Exception?.InnerException), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

        Paint(screen);
        while (await _news.Reader.WaitToReadAsync(CancellationToken.None) && TakeNews())
            Paint(screen);
        screen.Dispose();
        // Cancelling a question to a server that hangs takes as long as the driver waits for it. Nobody needs the answer any more.
        await Task.WhenAny(Task.WhenAll(stop.CancelAsync(), reading), Task.Delay(Farewell, CancellationToken.None));
    }

    private bool TakeNews()
    {
        while (_news.Reader.TryRead(out var news))
        {
            if (ReferenceEquals(news, TopNews.Leave))
                return false;
            if (news.Snapshot is not null)
                (_snapshot, _trouble) = (news.Snapshot, null);
            else if (news.Trouble is not null)
                _trouble = $"No answer since {JobText.Instant(_snapshot!.Now)}, still trying: {news.Trouble}";
        }
        return true;
    }

    private void Paint(FullScreen screen)
    {
        var (width, height) = host.WindowSize();
        screen.Paint(TopPicture.Draw(_snapshot!, server, _trouble, width, height), width, height);
    }
}
