using System.Buffers;
using System.Text.Json;
using AiOs.Models.Formats;
using AiOs.Training;

namespace AiOs.Cli.Runs;

/// <summary>
/// One JSON object per line and step, in the order of the steps and written through to the system at every step, so
/// that whatever ends the process leaves whole lines and at most one torn one.
/// </summary>
internal sealed class StepLog : IDisposable
{
    private readonly string _path;
    private readonly FileStream _file;
    private readonly bool _history;
    private readonly ArrayBufferWriter<byte> _line = new(256);
    private readonly Utf8JsonWriter _json;

    private StepLog(string path, FileStream file, bool history)
    {
        (_path, _file, _history) = (path, file, history);
        _json = new Utf8JsonWriter(_line);
    }

    /// <summary>Opens a log to continue at <paramref name="step"/>: what an earlier process wrote from that step on is dropped.</summary>
    /// <param name="path">The file; made when it is not there.</param>
    /// <param name="step">The first step that will be written; 0 starts an empty log.</param>
    /// <param name="history">Also keeps what the report needs: memory and validation.</param>
    public static StepLog Open(string path, long step, bool history)
    {
        try
        {
            FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 1);
            if (file.CanSeek && file.Length > 0)
            {
                file.SetLength(step == 0 ? 0 : LengthBefore(file, step));
                file.Seek(0, SeekOrigin.End);
            }

            return new StepLog(path, file, history);
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            throw FileAccessErrors.CannotWrite(path, e);
        }
    }

    /// <summary>Reads back what a history holds; lines that are not whole are skipped.</summary>
    public static (List<StepRecord> Steps, List<ValidationRecord> Validation) Read(string path)
    {
        List<StepRecord> steps = [];
        List<ValidationRecord> validation = [];
        foreach (string line in File.Exists(path) ? File.ReadLines(path) : [])
        {
            if (Parse(System.Text.Encoding.UTF8.GetBytes(line)) is not { } fields)
            {
                continue;
            }

            long step = (long)fields.GetValueOrDefault("step");
            if (fields.TryGetValue("validation_loss", out double loss))
            {
                validation.Add(new ValidationRecord(step, loss));
            }
            else
            {
                double Field(string name) => fields.GetValueOrDefault(name, double.NaN);
                steps.Add(new StepRecord(step, Field("loss"), Field("grad_norm"), Field("lr"), Field("ms"), Field("tokens_per_s"), (long)fields.GetValueOrDefault("memory_bytes")));
            }
        }

        return (steps, validation);
    }

    /// <summary>Appends a step.</summary>
    public void Write(in StepRecord record)
    {
        _json.WriteStartObject();
        _json.WriteNumber("step", record.Step);
        Number("loss", record.Loss);
        Number("grad_norm", record.GradNorm);
        Number("lr", record.LearningRate);
        Number("ms", record.Milliseconds);
        Number("tokens_per_s", record.TokensPerSecond);
        if (_history)
        {
            _json.WriteNumber("memory_bytes", record.MemoryBytes);
        }

        EndLine();
    }

    /// <summary>Appends an evaluation; only a history keeps them.</summary>
    public void Write(in ValidationRecord record)
    {
        if (_history)
        {
            _json.WriteStartObject();
            _json.WriteNumber("step", record.Step);
            Number("validation_loss", record.Loss);
            EndLine();
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        _json.Dispose();
        _file.Dispose();
    }

    /// <summary>Length of the whole lines that belong before a step. Evaluations after the last kept step belong to it.</summary>
    private static long LengthBefore(FileStream file, long step)
    {
        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        int kept = 0;
        while (kept < bytes.Length)
        {
            int length = bytes.AsSpan(kept).IndexOf((byte)'\n');
            if (length < 0 || Parse(bytes.AsSpan(kept, length)) is not { } fields || !fields.TryGetValue("step", out double at)
                || (fields.ContainsKey("validation_loss") ? at > step : at >= step))
            {
                break;
            }

            kept += length + 1;
        }

        return kept;
    }

    /// <summary>The numbers of a line; null when it is not one whole flat object.</summary>
    private static Dictionary<string, double>? Parse(ReadOnlySpan<byte> line)
    {
        Dictionary<string, double> fields = [];
        try
        {
            Utf8JsonReader reader = new(line);
            string name = string.Empty;
            while (reader.Read())
            {
                switch (reader.TokenType)
                {
                    case JsonTokenType.PropertyName:
                        name = reader.GetString()!;
                        break;
                    case JsonTokenType.Number:
                        fields[name] = reader.GetDouble();
                        break;
                }
            }

            return fields.Count > 0 ? fields : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>A number with as many digits as it takes to read the same one back; JSON has no infinity, so null stands for it.</summary>
    private void Number(string name, double value)
    {
        if (double.IsFinite(value))
        {
            _json.WriteNumber(name, value);
        }
        else
        {
            _json.WriteNull(name);
        }
    }

    private void EndLine()
    {
        _json.WriteEndObject();
        _json.Flush();
        _line.Write("\n"u8);
        long whole = _file.CanSeek ? _file.Position : 0;
        try
        {
            _file.Write(_line.WrittenSpan);
            _file.Flush();
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            if (_file.CanSeek && _file.Length > whole)
            {
                _file.SetLength(whole);
            }

            throw FileAccessErrors.CannotWrite(_path, e);
        }

        _line.ResetWrittenCount();
        _json.Reset();
    }
}
