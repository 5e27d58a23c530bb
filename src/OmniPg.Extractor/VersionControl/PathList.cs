using System.Text;

namespace OmniPg.Extractor.VersionControl;

/// <summary>A temporary file with paths, for programs that read long lists from files.</summary>
internal sealed class PathList : IDisposable
{
    public PathList(IEnumerable<string> paths, char separator)
    {
        Path = System.IO.Path.GetTempFileName();
        File.WriteAllText(Path, string.Concat(paths.Select(path => path + separator)), new UTF8Encoding(false));
    }

    public string Path { get; }

    public void Dispose() => File.Delete(Path);
}
