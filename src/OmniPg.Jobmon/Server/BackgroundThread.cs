namespace OmniPg.Jobmon;

/// <summary>A thread that begins when it is first needed, and ends with its owner.</summary>
internal sealed class BackgroundThread(string name)
{
    private readonly Lock _starting = new();
    private Thread? _thread;
    private volatile bool _stopping;

    /// <summary>Its loop is to end, and none begins any more.</summary>
    public bool IsStopping => _stopping;

    public void Start(ThreadStart loop)
    {
        if (_thread is not null || _stopping)
            return;
        lock (_starting)
        {
            if (_thread is not null || _stopping)
                return;
            // The flow of whoever starts the thread, with its job and its span, would stay with it for ever.
            using var flow = ExecutionContext.SuppressFlow();
            var thread = new Thread(loop) { IsBackground = true, Name = name };
            thread.Start();
            _thread = thread;
        }
    }

    /// <summary>Has the loop end, out of a wait that <paramref name="wake"/> ends; one that hangs in a statement is waited for no longer than the limit.</summary>
    public void Stop(Action wake, TimeSpan limit)
    {
        _stopping = true;
        wake();
        Thread? thread;
        lock (_starting)
            thread = _thread;
        thread?.Join(limit);
    }
}
