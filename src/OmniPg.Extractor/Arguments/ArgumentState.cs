using System.Globalization;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>What has been read so far.</summary>
internal sealed class ArgumentState
{
    public NpgsqlConnectionStringBuilder Connection { get; } = [];

    public ExtractorOptions Extractor { get; } = new();

    public ExtractionOptions Extraction { get; } = new() { Kinds = ObjectKinds.None };

    public string Directory { get; set; } = ".";

    public GitOptions? Git { get; set; }

    public SvnOptions? Svn { get; set; }

    public string Message { get; set; } = "Pg ddl updates";

    public DataFormat? InsertFormat { get; set; }

    public bool Data { get; set; }

    public bool KeepDump { get; set; }

    public bool RemovePasswords { get; set; }

    public bool Quiet { get; set; }

    public bool Debug { get; set; }

    /// <summary>Options that were given and have nothing to do here.</summary>
    public List<string> Needless { get; } = [];

    /// <summary>A pause between objects has no counterpart when all come from one dump; a rate for the dump is asked for in bytes.</summary>
    public void AddWait(string value)
    {
        if (!double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) || seconds < 0)
            throw new ExtractorOptionException("--wait", $"'--wait' is '{value}', which is no number of seconds.");
        if (seconds > 0)
            Needless.Add("--wait");
    }

    public void Add(ObjectKinds kinds) => Extraction.Kinds |= kinds;
}
