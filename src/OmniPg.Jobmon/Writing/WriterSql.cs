namespace OmniPg.Jobmon;

/// <summary>The statements of the writer for one database. Each is one event and one round trip.</summary>
/// <remarks>
/// On the extension's log the live path calls the extension's own local functions. Its functions that end a job are not used: they
/// overwrite a run that has ended already, and here the first end wins. Times given by the client need the tables, too. A role without
/// rights on the tables writes through the public functions all the same.
/// </remarks>
internal sealed class WriterSql
{
    public WriterSql(JobmonServer server)
    {
        HasSide = server.HasSide;
        if (server.ByFunctions)
        {
            StartJob = StartJobLate = server.Render(FunctionTemplates.StartJob);
            StartStep = StartStepLate = server.Render(FunctionTemplates.StartStep);
            EndStep = EndStepLate = server.Render(FunctionTemplates.EndStep);
            EndJob = server.Render(FunctionTemplates.EndJob);
            Progress = server.Render(FunctionTemplates.Progress);
            AttachWorker = server.Render(FunctionTemplates.AttachWorker);
            LogLines = "";
            return;
        }

        var extension = server.Mode == JobmonMode.Extension;
        StartJob = server.Render(extension ? WriterTemplates.StartJobByFunction : WriterTemplates.StartJob);
        StartJobLate = server.Render(WriterTemplates.StartJob);
        StartStep = server.Render(extension ? WriterTemplates.StartStepByFunction : WriterTemplates.StartStep);
        StartStepLate = server.Render(WriterTemplates.StartStep);
        EndStep = server.Render(extension ? WriterTemplates.EndStepByFunction : WriterTemplates.EndStep);
        EndStepLate = server.Render(WriterTemplates.EndStep);
        EndJob = server.Render(WriterTemplates.EndJob);
        Progress = server.Render(WriterTemplates.Progress);
        AttachWorker = server.Render(WriterTemplates.AttachWorker);
        LogLines = server.Render(WriterTemplates.LogLines);
    }

    /// <summary>The side tables are there: dead jobs, progress values, nesting and exceptions can be recorded.</summary>
    public bool HasSide { get; }

    public string StartJob { get; }

    public string StartJobLate { get; }

    public string StartStep { get; }

    public string StartStepLate { get; }

    public string EndStep { get; }

    public string EndStepLate { get; }

    public string EndJob { get; }

    public string Progress { get; }

    public string AttachWorker { get; }

    public string LogLines { get; }
}
