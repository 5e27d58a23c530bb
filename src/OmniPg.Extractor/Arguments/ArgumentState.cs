using Npgsql;

namespace OmniPg.Extractor.Arguments;

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

    public void Add(ObjectKinds kinds) => Extraction.Kinds |= kinds;
}
